#include <google/protobuf/util/time_util.h>

#include <cerrno>
#include <tuple>
#include <utility>

#include "policy/policy_yaml.h"
#include "publish/convert.h"
#include "publish/policy_operations.h"

namespace pinwarden {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kDefaultDenyErrno = EBUSY;

Result<Mode> mode_from_proto(v1::Mode mode)
{
    switch (mode) {
        case v1::MODE_MONITOR: return Mode::kMonitor;
        case v1::MODE_ENFORCE: return Mode::kEnforce;
        case v1::MODE_OFF: return Mode::kOff;
        default: return fail_at("mode", "must be MODE_MONITOR, MODE_ENFORCE or MODE_OFF", EINVAL);
    }
}

Result<std::vector<Operation>> operations_from_proto(const v1::Match& match)
{
    std::vector<Operation> operations;
    for (int i = 0; i < match.operations_size(); ++i) {
        const auto* const found =
            std::ranges::find(kPolicyOperations, match.operations(i), [](const auto& entry) { return entry.first; });
        if (found == kPolicyOperations.end()) {
            return fail_at("match.operations[" + std::to_string(i) + "]", "must be one of the operations there are",
                           EINVAL);
        }
        operations.push_back(found->second);
    }
    return operations;
}

Result<Unresolved> unresolved_from_proto(v1::Unresolved unresolved, Unresolved otherwise)
{
    switch (unresolved) {
        case v1::UNRESOLVED_UNSPECIFIED: return otherwise;
        case v1::UNRESOLVED_DENY: return Unresolved::kDeny;
        case v1::UNRESOLVED_ALLOW: return Unresolved::kAllow;
        case v1::UNRESOLVED_HOLD: return Unresolved::kHold;
        default: return fail_at("unresolved", "must be UNRESOLVED_DENY, UNRESOLVED_ALLOW or UNRESOLVED_HOLD", EINVAL);
    }
}

Result<Unattended> unattended_from_proto(v1::WhenUnattended unattended)
{
    switch (unattended) {
        case v1::WHEN_UNATTENDED_UNSPECIFIED:
        case v1::WHEN_UNATTENDED_RELEASE: return Unattended::kRelease;
        case v1::WHEN_UNATTENDED_KEEP: return Unattended::kKeep;
        default: return fail_at("when_unattended", "must be WHEN_UNATTENDED_RELEASE or WHEN_UNATTENDED_KEEP", EINVAL);
    }
}

Result<Outcome> outcome_from_proto(v1::Outcome outcome, const std::string& field)
{
    switch (outcome) {
        case v1::OUTCOME_UNSPECIFIED:
        case v1::OUTCOME_DENY: return Outcome::kDeny;
        case v1::OUTCOME_ALLOW: return Outcome::kAllow;
        default: return fail_at(field, "must be OUTCOME_DENY or OUTCOME_ALLOW", EINVAL);
    }
}

// `limits`: how the message names them; whoever calls checks them. Here only what would not fit is refused.
Result<Nanoseconds> duration_from_proto(const google::protobuf::Duration& duration, const std::string& field,
                                        const std::string& limits)
{
    const bool valid = duration.seconds() >= 0 && duration.nanos() >= 0 && duration.nanos() < 1'000'000'000;
    if (!valid || duration.seconds() > TimeUtil::kDurationMaxSeconds / 1000) {
        return fail_at(field, "must be a duration from " + limits, EINVAL);
    }
    return static_cast<Nanoseconds>(TimeUtil::DurationToNanoseconds(duration));
}

Result<int> errno_from_proto(const std::string& name, const std::string& field)
{
    if (name.empty()) {
        return kDefaultDenyErrno;
    }
    Result<int> code = errno_from_name(name);
    if (!code) {
        return fail_at(field, code.error().message, EINVAL);
    }
    return code;
}

Result<std::vector<SignalStep>> steps_from_proto(const google::protobuf::RepeatedPtrField<std::string>& entries,
                                                 const std::string& field)
{
    auto steps = parse_signal_steps({entries.begin(), entries.end()});
    if (!steps) {
        return fail_at(field + steps.error().field, steps.error().what, EINVAL);
    }
    return std::move(*steps);
}

Result<Revoke> revoke_from_proto(const v1::Revoke& in)
{
    const std::string field = "action.hold.revoke.";
    Revoke revoke;
    if (!in.notify().empty()) {
        const Result<int> notify = signal_from_name(in.notify());
        if (!notify) {
            return fail_at(field + "notify", notify.error().message, EINVAL);
        }
        revoke.notify = *notify;
    }
    if (in.has_grace()) {
        const Result<Nanoseconds> grace = duration_from_proto(in.grace(), field + "grace", "100ms to 1h");
        if (!grace) {
            return std::unexpected(grace.error());
        }
        revoke.grace = *grace;
    }
    if (!in.then().empty()) {
        auto steps = steps_from_proto(in.then(), field + "then");
        if (!steps) {
            return std::unexpected(steps.error());
        }
        revoke.then = std::move(*steps);
    }
    return revoke;
}

Result<Hold> hold_from_proto(const v1::Hold& in)
{
    Hold hold;
    if (in.has_timeout()) {
        const Result<Nanoseconds> timeout = duration_from_proto(in.timeout(), "action.hold.timeout", "100ms to 1h");
        if (!timeout) {
            return std::unexpected(timeout.error());
        }
        hold.timeout = *timeout;
    }
    const Result<Outcome> on_timeout = outcome_from_proto(in.on_timeout(), "action.hold.on_timeout");
    if (!on_timeout) {
        return std::unexpected(on_timeout.error());
    }
    hold.on_timeout = *on_timeout;
    const Result<Outcome> fallback = outcome_from_proto(in.fallback(), "action.hold.fallback");
    if (!fallback) {
        return std::unexpected(fallback.error());
    }
    hold.fallback = *fallback;
    if (in.has_revoke()) {
        Result<Revoke> revoke = revoke_from_proto(in.revoke());
        if (!revoke) {
            return std::unexpected(revoke.error());
        }
        hold.revoke = std::move(*revoke);
    }
    return hold;
}

Result<SignalAction> signal_from_proto(const v1::SignalAction& in)
{
    SignalAction action;
    switch (in.target()) {
        case v1::SIGNAL_TARGET_UNSPECIFIED:
        case v1::SIGNAL_TARGET_OWNERS: break;
        case v1::SIGNAL_TARGET_CALLER: action.target = SignalTarget::kCaller; break;
        default: return fail_at("action.signal.target", "must be SIGNAL_TARGET_OWNERS or SIGNAL_TARGET_CALLER", EINVAL);
    }
    auto steps = steps_from_proto(in.signals(), "action.signal.signals");
    if (!steps) {
        return std::unexpected(steps.error());
    }
    action.signals = std::move(*steps);
    return action;
}

Result<void> action_from_proto(const v1::Action& in, Policy& policy)
{
    if (in.kind_case() == v1::Action::KIND_NOT_SET) {
        return fail_at("action", "must be given: `deny`, `hold`, `signal` or `notify`", EINVAL);
    }
    if (in.has_notify()) {
        policy.notify = true;
        return {};
    }
    if (in.has_signal()) {
        Result<SignalAction> signal = signal_from_proto(in.signal());
        if (!signal) {
            return std::unexpected(signal.error());
        }
        policy.signal = std::move(*signal);
        return {};
    }
    if (in.has_hold()) {
        const Result<Hold> hold = hold_from_proto(in.hold());
        if (!hold) {
            return std::unexpected(hold.error());
        }
        policy.hold = *hold;
    }
    const Result<int> code = in.has_hold() ? errno_from_proto(in.hold().error(), "action.hold.errno")
                                           : errno_from_proto(in.deny().error(), "action.deny.errno");
    if (!code) {
        return std::unexpected(code.error());
    }
    policy.deny_errno = *code;
    return {};
}

Result<std::vector<std::string>> paths_from_proto(const google::protobuf::RepeatedPtrField<std::string>& in,
                                                  const std::string& field)
{
    std::vector<std::string> paths;
    for (int i = 0; i < in.size(); ++i) {
        Result<std::string> path = normalise_path_prefix(in.at(i));
        if (!path) {
            return fail_at(field + "[" + std::to_string(i) + "]", path.error().message, EINVAL);
        }
        paths.push_back(std::move(*path));
    }
    return paths;
}

Result<FileSelector> file_from_proto(const v1::FileSelector& in)
{
    FileSelector file;
    auto prefixes = paths_from_proto(in.path_prefixes(), "match.file.path_prefixes");
    if (!prefixes) {
        return std::unexpected(prefixes.error());
    }
    file.path_prefixes = std::move(*prefixes);
    auto mounts = paths_from_proto(in.mounts(), "match.file.mounts");
    if (!mounts) {
        return std::unexpected(mounts.error());
    }
    file.mounts = std::move(*mounts);
    for (int i = 0; i < in.inodes_size(); ++i) {
        const auto inode = parse_inode(in.inodes(i));
        if (!inode) {
            return fail_at("match.file.inodes[" + std::to_string(i) + "]", inode.error().message, EINVAL);
        }
        file.inodes.push_back(*inode);
    }
    file.filesystems.assign(in.filesystems().begin(), in.filesystems().end());
    return file;
}

Result<ProcessSelector> process_from_proto(const v1::ProcessSelector& in, const std::string& field)
{
    ProcessSelector process;
    process.uids.assign(in.uids().begin(), in.uids().end());
    process.comms.assign(in.comms().begin(), in.comms().end());
    auto cgroups = paths_from_proto(in.cgroups(), field + ".cgroups");
    if (!cgroups) {
        return std::unexpected(cgroups.error());
    }
    process.cgroups = std::move(*cgroups);
    auto binaries = paths_from_proto(in.binaries(), field + ".binaries");
    if (!binaries) {
        return std::unexpected(binaries.error());
    }
    process.binaries = std::move(*binaries);
    process.containers.assign(in.containers().begin(), in.containers().end());
    return process;
}

Result<void> match_from_proto(const v1::Match& in, Policy& policy)
{
    Result<std::vector<Operation>> operations = operations_from_proto(in);
    if (!operations) {
        return std::unexpected(operations.error());
    }
    policy.operations = std::move(*operations);
    Result<FileSelector> file = file_from_proto(in.file());
    if (!file) {
        return std::unexpected(file.error());
    }
    policy.file = std::move(*file);
    const v1::PinSelector& pin = in.pin();
    policy.pin.drivers.assign(pin.drivers().begin(), pin.drivers().end());
    policy.pin.min_bytes = pin.min_bytes();
    const Result<Nanoseconds> min_age = duration_from_proto(pin.min_age(), "match.pin.min_age", "0 to 10 years");
    if (!min_age) {
        return std::unexpected(min_age.error());
    }
    policy.pin.min_age = *min_age;
    if (pin.has_long_term()) {
        policy.pin.long_term = pin.long_term();
    }
    for (const auto& [who, message, field] : {std::tuple(&policy.owner, &in.owner(), "match.owner"),
                                              std::tuple(&policy.caller, &in.caller(), "match.caller")}) {
        Result<ProcessSelector> process = process_from_proto(*message, field);
        if (!process) {
            return std::unexpected(process.error());
        }
        *who = std::move(*process);
    }
    return {};
}

Result<Policy> policy_from_proto(const v1::Policy& in)
{
    Policy policy;
    policy.name = in.name();
    policy.source = "grpc";
    const Result<Mode> mode = mode_from_proto(in.mode());
    if (!mode) {
        return std::unexpected(mode.error());
    }
    policy.mode = *mode;
    if (const Result<void> match = match_from_proto(in.match(), policy); !match) {
        return std::unexpected(match.error());
    }
    if (const Result<void> action = action_from_proto(in.action(), policy); !action) {
        return std::unexpected(action.error());
    }
    const Result<Unresolved> unresolved = unresolved_from_proto(in.unresolved(), default_unresolved(policy));
    if (!unresolved) {
        return std::unexpected(unresolved.error());
    }
    policy.unresolved = *unresolved;
    const Result<Unattended> unattended = unattended_from_proto(in.when_unattended());
    if (!unattended) {
        return std::unexpected(unattended.error());
    }
    policy.when_unattended = *unattended;
    return policy;
}

Error as_invalid(const Error& error)
{
    return {error.message, EINVAL, error.field};
}

Result<std::vector<Policy>> policies_from_messages(const v1::ApplyPolicyRequest& request)
{
    std::vector<Policy> policies;
    for (int i = 0; i < request.policies_size(); ++i) {
        const std::string field = "policies[" + std::to_string(i) + "]";
        const std::string where = field + " \"" + valid_utf8(request.policies(i).name()) + '"';
        Result<Policy> policy = policy_from_proto(request.policies(i));
        if (!policy) {
            return std::unexpected(policy.error().within(where).below(field));
        }
        if (const Result<void> checked = validate(*policy); !checked) {
            return std::unexpected(as_invalid(checked.error()).within(where).below(field));
        }
        policies.push_back(std::move(*policy));
    }
    return policies;
}

// `field`: that has the text.
Result<std::vector<Policy>> policies_from_text(const std::string& yaml, const std::string& source,
                                               const std::string& field)
{
    Result<std::vector<Policy>> parsed = parse_policies(yaml, source.empty() ? "request" : source);
    if (!parsed) {
        return std::unexpected(Error{parsed.error().message, EINVAL, field});
    }
    return parsed;
}

}  // namespace

Result<std::vector<Policy>> policies_from_texts(const google::protobuf::RepeatedPtrField<v1::PolicyText>& texts)
{
    std::vector<Policy> policies;
    for (int i = 0; i < texts.size(); ++i) {
        const v1::PolicyText& text = texts.at(i);
        Result<std::vector<Policy>> parsed =
            policies_from_text(text.yaml(), text.source(), "texts[" + std::to_string(i) + "].yaml");
        if (!parsed) {
            return parsed;
        }
        policies.insert(policies.end(), std::make_move_iterator(parsed->begin()),
                        std::make_move_iterator(parsed->end()));
    }
    return policies;
}

Result<Mode> mode_from_request(const v1::SetPolicyModeRequest& request)
{
    return mode_from_proto(request.mode());
}

Result<std::vector<Policy>> policies_from_request(const v1::ApplyPolicyRequest& request)
{
    const int forms = int{request.policies_size() > 0} + int{!request.yaml().empty()} + int{request.texts_size() > 0};
    if (forms != 1) {
        return std::unexpected(
            Error{forms == 0 ? "no policy given: fill `policies`, `yaml` or `texts`"
                             : "policies given in several forms: fill only one of `policies`, `yaml` and `texts`",
                  EINVAL, "policies"});
    }
    if (request.policies_size() > 0) {
        return policies_from_messages(request);
    }
    return request.texts_size() > 0 ? policies_from_texts(request.texts())
                                    : policies_from_text(request.yaml(), request.source(), "yaml");
}

}  // namespace pinwarden
