#include <expected>
#include <istream>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/render.h"

namespace pinwarden::cli {
namespace {

v1::Mode to_proto(PolicyMode mode)
{
    switch (mode) {
        case PolicyMode::kMonitor: return v1::MODE_MONITOR;
        case PolicyMode::kEnforce: return v1::MODE_ENFORCE;
        case PolicyMode::kOff: return v1::MODE_OFF;
    }
    return v1::MODE_UNSPECIFIED;
}

std::expected<void, std::string> add_texts(std::istream& standard_input, const std::vector<std::string>& files,
                                           google::protobuf::RepeatedPtrField<v1::PolicyText>& texts)
{
    for (const std::string& file : files) {
        std::expected<std::string, std::string> text = read_file(file, standard_input);
        if (!text) {
            return std::unexpected(text.error());
        }
        v1::PolicyText& added = *texts.Add();
        added.set_source(file == "-" ? "standard input" : file);
        added.set_yaml(std::move(*text));
    }
    return {};
}

template <typename Command, typename Request>
void set_condition(const Command& command, Request& request)
{
    if (command.if_generation) {
        request.set_if_generation(*command.if_generation);
    }
}

std::string applied_text(const v1::ApplyPolicyResponse& response, bool validate_only)
{
    std::string names;
    for (const std::string& name : response.names()) {
        names += (names.empty() ? "" : ", ") + visible(name);
    }
    if (validate_only) {
        return "Valid: " + names + "; nothing was changed.\n";
    }
    return "Applied " + names + "; generation " + std::to_string(response.generation()) + " is in force.\n";
}

}  // namespace

int perform(const PolicyApplyCommand& command, Session& session)
{
    v1::ApplyPolicyRequest request;
    request.set_validate_only(command.validate_only);
    set_condition(command, request);
    if (const auto added = add_texts(session.streams.in, command.files, *request.mutable_texts()); !added) {
        return session.failed(added.error());
    }
    v1::ApplyPolicyResponse response;
    const grpc::Status status = session.policies->ApplyPolicy(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] { return applied_text(response, command.validate_only); });
}

int perform(const PolicyListCommand& /*command*/, Session& session)
{
    v1::ListPoliciesResponse response;
    const grpc::Status status = session.policies->ListPolicies(Session::with_deadline().get(), {}, &response);
    return session.answer(status, response, [&] { return render_policies(response, session.style); });
}

int perform(const PolicyDeleteCommand& command, Session& session)
{
    v1::DeletePolicyRequest request;
    request.set_name(command.name);
    set_condition(command, request);
    v1::DeletePolicyResponse response;
    const grpc::Status status = session.policies->DeletePolicy(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] {
        return "Deleted " + visible(command.name) + "; generation " + std::to_string(response.generation()) +
               " is in force.\n";
    });
}

int perform(const PolicyModeCommand& command, Session& session)
{
    v1::SetPolicyModeRequest request;
    request.set_name(command.name);
    request.set_mode(to_proto(command.mode));
    set_condition(command, request);
    v1::SetPolicyModeResponse response;
    const grpc::Status status = session.policies->SetPolicyMode(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] {
        return "Mode of " + visible(command.name) + " set; generation " + std::to_string(response.generation()) +
               " is in force.\n";
    });
}

int perform(const PolicyTestCommand& command, Session& session)
{
    v1::TestPoliciesRequest request;
    request.set_path(absolute_name(command.file));
    request.set_inode(command.inode);
    request.set_device_major(command.device_major);
    request.set_device_minor(command.device_minor);
    request.set_operation(command.operation);
    if (command.uid) {
        request.mutable_caller()->set_uid(*command.uid);
    }
    request.mutable_caller()->set_comm(command.comm);
    if (const auto added = add_texts(session.streams.in, command.policies, *request.mutable_texts()); !added) {
        return session.failed(added.error());
    }
    v1::TestPoliciesResponse response;
    const grpc::Status status = session.policies->TestPolicies(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] { return render_dry_run(response, session.style); });
}

int perform(const HoldsCommand& /*command*/, Session& session)
{
    v1::ListHoldsResponse response;
    const grpc::Status status = session.holds->ListHolds(Session::with_deadline().get(), {}, &response);
    return session.answer(status, response, [&] { return render_holds(response, session.style); });
}

int perform(const HoldReleaseCommand& command, Session& session)
{
    v1::ReleaseHoldRequest request;
    request.set_id(command.id);
    request.set_outcome(command.allow ? v1::OUTCOME_ALLOW : v1::OUTCOME_DENY);
    v1::ReleaseHoldResponse response;
    const grpc::Status status = session.holds->ReleaseHold(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] {
        return "hold " + std::to_string(command.id) + " released: " + (command.allow ? "allow" : "deny") + "\n";
    });
}

}  // namespace pinwarden::cli
