#include "publish/policy_service.h"

#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "publish/convert.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

template <typename Request>
std::optional<std::uint64_t> condition_of(const Request& request)
{
    return request.has_if_generation() ? std::optional(request.if_generation()) : std::nullopt;
}

Subject file_of(const v1::TestPoliciesRequest& request)
{
    return {.type = "file",
            .name = request.inode() == 0
                        ? request.path()
                        : std::to_string(request.device_major()) + ":" + std::to_string(request.device_minor()) + "/" +
                              std::to_string(request.inode())};
}

// A change of policies that was refused.
grpc::Status not_changed(const Error& error, const Subject& subject)
{
    if (error.code != ESTALE) {
        return to_status(error, subject);
    }
    return refuse({.code = grpc::StatusCode::ABORTED,
                   .reason = reason::kGenerationChanged,
                   .message = error.message,
                   .field = error.field});
}

}  // namespace

grpc::Status PolicyService::ApplyPolicy(const grpc::ServerContextBase& context, const v1::ApplyPolicyRequest& request,
                                        v1::ApplyPolicyResponse& response)
{
    const auto asked_by = access_.operator_of(context);
    if (!asked_by) {
        return asked_by.error();
    }
    Result<std::vector<Policy>> policies = policies_from_request(request);
    if (!policies) {
        return to_status(policies.error());
    }
    for (const Policy& policy : *policies) {
        response.add_names(policy.name);
    }
    const Result<std::uint64_t> generation =
        pipeline_.apply(std::move(*policies), request.validate_only(), *asked_by, condition_of(request));
    if (!generation) {
        return not_changed(generation.error(), {});
    }
    response.set_generation(*generation);
    return grpc::Status::OK;
}

grpc::Status PolicyService::ListPolicies(const grpc::ServerContextBase& /*context*/,
                                         const v1::ListPoliciesRequest& /*request*/, v1::ListPoliciesResponse& response)
{
    return answer_with(pipeline_.snapshot(), response, policies_to_proto);
}

grpc::Status PolicyService::DeletePolicy(const grpc::ServerContextBase& context, const v1::DeletePolicyRequest& request,
                                         v1::DeletePolicyResponse& response)
{
    const auto asked_by = access_.operator_of(context);
    if (!asked_by) {
        return asked_by.error();
    }
    if (request.name().empty()) {
        return refuse_field("name", "must be given");
    }
    const Result<std::uint64_t> generation = pipeline_.remove(request.name(), *asked_by, condition_of(request));
    if (!generation) {
        return not_changed(generation.error(), {.type = "policy", .name = request.name()});
    }
    response.set_generation(*generation);
    return grpc::Status::OK;
}

grpc::Status PolicyService::SetPolicyMode(const grpc::ServerContextBase& context,
                                          const v1::SetPolicyModeRequest& request, v1::SetPolicyModeResponse& response)
{
    const auto asked_by = access_.operator_of(context);
    if (!asked_by) {
        return asked_by.error();
    }
    if (request.name().empty()) {
        return refuse_field("name", "must be given");
    }
    const Result<Mode> mode = mode_from_request(request);
    if (!mode) {
        return to_status(mode.error());
    }
    const Result<std::uint64_t> generation =
        pipeline_.set_mode(request.name(), *mode, *asked_by, condition_of(request));
    if (!generation) {
        return not_changed(generation.error(), {.type = "policy", .name = request.name()});
    }
    response.set_generation(*generation);
    return grpc::Status::OK;
}

grpc::Status PolicyService::TestPolicies(const grpc::ServerContextBase& context, const v1::TestPoliciesRequest& request,
                                         v1::TestPoliciesResponse& response)
{
    if (grpc::Status allowed = access_.only_operators(context); !allowed.ok()) {
        return allowed;
    }
    Result<DryRunQuestion> question = question_from_request(request);
    if (!question) {
        return to_status(question.error());
    }
    const Result<DryRunView> view = pipeline_.test(std::move(*question));
    if (!view) {
        return to_status(view.error(), file_of(request));
    }
    response = dry_run_to_proto(*view);
    return grpc::Status::OK;
}

}  // namespace pinwarden
