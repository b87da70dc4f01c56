// HoldService of the API.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include "publish/access.h"
#include "publish/snapshot.h"
#include "publish/unary_calls.h"

namespace pinwarden {

class HoldService final : public v1::HoldService::CallbackService {
public:
    // All must outlive it.
    HoldService(UnaryCalls& calls, Pipeline& pipeline, const Access& access)
        : calls_(calls), pipeline_(pipeline), access_(access)
    {
    }

    grpc::ServerUnaryReactor* ListHolds(grpc::CallbackServerContext* context, const v1::ListHoldsRequest* request,
                                        v1::ListHoldsResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &HoldService::ListHolds);
    }
    grpc::ServerUnaryReactor* ReleaseHold(grpc::CallbackServerContext* context, const v1::ReleaseHoldRequest* request,
                                          v1::ReleaseHoldResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &HoldService::ReleaseHold);
    }

private:
    grpc::Status ListHolds(const grpc::ServerContextBase& context, const v1::ListHoldsRequest& request,
                           v1::ListHoldsResponse& response);
    grpc::Status ReleaseHold(const grpc::ServerContextBase& context, const v1::ReleaseHoldRequest& request,
                             v1::ReleaseHoldResponse& response);

    UnaryCalls& calls_;
    Pipeline& pipeline_;
    const Access& access_;
};

}  // namespace pinwarden
