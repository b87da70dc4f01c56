#include "publish/hold_service.h"

#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "publish/convert.h"
#include "publish/status.h"

namespace pinwarden {

grpc::Status HoldService::ListHolds(const grpc::ServerContextBase& /*context*/, const v1::ListHoldsRequest& /*request*/,
                                    v1::ListHoldsResponse& response)
{
    return answer_with(pipeline_.holds(), response, holds_to_proto);
}

grpc::Status HoldService::ReleaseHold(const grpc::ServerContextBase& context, const v1::ReleaseHoldRequest& request,
                                      v1::ReleaseHoldResponse& /*response*/)
{
    const auto asked_by = access_.operator_of(context);
    if (!asked_by) {
        return asked_by.error();
    }
    if (request.id() == 0) {
        return refuse_field("id", "must be given");
    }
    const Result<Outcome> outcome = outcome_from_request(request);
    if (!outcome) {
        return to_status(outcome.error());
    }
    const Result<void> released = pipeline_.release_hold(request.id(), *outcome, *asked_by);
    return released ? grpc::Status::OK
                    : to_status(released.error(), {.type = "hold", .name = std::to_string(request.id())});
}

}  // namespace pinwarden
