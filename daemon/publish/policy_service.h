// PolicyService of the API.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include "publish/access.h"
#include "publish/snapshot.h"
#include "publish/unary_calls.h"

namespace pinwarden {

class PolicyService final : public v1::PolicyService::CallbackService {
public:
    // All must outlive it.
    PolicyService(UnaryCalls& calls, Pipeline& pipeline, const Access& access)
        : calls_(calls), pipeline_(pipeline), access_(access)
    {
    }

    grpc::ServerUnaryReactor* ApplyPolicy(grpc::CallbackServerContext* context, const v1::ApplyPolicyRequest* request,
                                          v1::ApplyPolicyResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PolicyService::ApplyPolicy);
    }
    grpc::ServerUnaryReactor* ListPolicies(grpc::CallbackServerContext* context, const v1::ListPoliciesRequest* request,
                                           v1::ListPoliciesResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PolicyService::ListPolicies);
    }
    grpc::ServerUnaryReactor* DeletePolicy(grpc::CallbackServerContext* context, const v1::DeletePolicyRequest* request,
                                           v1::DeletePolicyResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PolicyService::DeletePolicy);
    }
    grpc::ServerUnaryReactor* SetPolicyMode(grpc::CallbackServerContext* context,
                                            const v1::SetPolicyModeRequest* request,
                                            v1::SetPolicyModeResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PolicyService::SetPolicyMode);
    }
    grpc::ServerUnaryReactor* TestPolicies(grpc::CallbackServerContext* context, const v1::TestPoliciesRequest* request,
                                           v1::TestPoliciesResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PolicyService::TestPolicies);
    }

private:
    grpc::Status ApplyPolicy(const grpc::ServerContextBase& context, const v1::ApplyPolicyRequest& request,
                             v1::ApplyPolicyResponse& response);
    grpc::Status ListPolicies(const grpc::ServerContextBase& context, const v1::ListPoliciesRequest& request,
                              v1::ListPoliciesResponse& response);
    grpc::Status DeletePolicy(const grpc::ServerContextBase& context, const v1::DeletePolicyRequest& request,
                              v1::DeletePolicyResponse& response);
    grpc::Status SetPolicyMode(const grpc::ServerContextBase& context, const v1::SetPolicyModeRequest& request,
                               v1::SetPolicyModeResponse& response);
    grpc::Status TestPolicies(const grpc::ServerContextBase& context, const v1::TestPoliciesRequest& request,
                              v1::TestPoliciesResponse& response);

    UnaryCalls& calls_;
    Pipeline& pipeline_;
    const Access& access_;
};

}  // namespace pinwarden
