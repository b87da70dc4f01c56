// StatusService of the API.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include "publish/snapshot.h"
#include "publish/unary_calls.h"

namespace pinwarden {

class StatusService final : public v1::StatusService::CallbackService {
public:
    // All must outlive it.
    StatusService(UnaryCalls& calls, Pipeline& pipeline) : calls_(calls), pipeline_(pipeline) {}

    grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest* request,
                                        v1::GetStatusResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &StatusService::GetStatus);
    }

private:
    grpc::Status GetStatus(const grpc::ServerContextBase& context, const v1::GetStatusRequest& request,
                           v1::GetStatusResponse& response);

    UnaryCalls& calls_;
    Pipeline& pipeline_;
};

}  // namespace pinwarden
