#include "publish/status_service.h"

#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "publish/convert.h"
#include "publish/status.h"

namespace pinwarden {

grpc::Status StatusService::GetStatus(const grpc::ServerContextBase& /*context*/,
                                      const v1::GetStatusRequest& /*request*/, v1::GetStatusResponse& response)
{
    return answer_with(pipeline_.snapshot(), response, status_to_proto);
}

}  // namespace pinwarden
