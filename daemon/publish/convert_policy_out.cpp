// Policies, and what has become of them, as messages.
#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "publish/convert.h"
#include "publish/policy_operations.h"

namespace pinwarden {
namespace {

using google::protobuf::util::TimeUtil;
using Texts = google::protobuf::RepeatedPtrField<std::string>;

v1::Operation operation_to_proto(Operation operation)
{
    const auto* const found =
        std::ranges::find(kPolicyOperations, operation, [](const auto& entry) { return entry.second; });
    return found == kPolicyOperations.end() ? v1::OPERATION_UNSPECIFIED : found->first;
}

v1::Unresolved unresolved_to_proto(Unresolved unresolved)
{
    switch (unresolved) {
        case Unresolved::kDeny: return v1::UNRESOLVED_DENY;
        case Unresolved::kAllow: return v1::UNRESOLVED_ALLOW;
        case Unresolved::kHold: return v1::UNRESOLVED_HOLD;
    }
    return v1::UNRESOLVED_UNSPECIFIED;
}

v1::WhenUnattended unattended_to_proto(Unattended unattended)
{
    return unattended == Unattended::kKeep ? v1::WHEN_UNATTENDED_KEEP : v1::WHEN_UNATTENDED_RELEASE;
}

v1::Outcome outcome_to_proto(Outcome outcome)
{
    return outcome == Outcome::kAllow ? v1::OUTCOME_ALLOW : v1::OUTCOME_DENY;
}

v1::Revoke revoke_to_proto(const Revoke& revoke)
{
    v1::Revoke out;
    if (revoke.notify) {
        out.set_notify(signal_name(*revoke.notify));
    }
    *out.mutable_grace() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(revoke.grace));
    for (const std::string& entry : format_signal_steps(revoke.then)) {
        out.add_then(entry);
    }
    return out;
}

void set_action(const Policy& policy, v1::Action& out)
{
    if (policy.notify) {
        out.mutable_notify();
        return;
    }
    if (policy.signal) {
        v1::SignalAction& signal = *out.mutable_signal();
        signal.set_target(policy.signal->target == SignalTarget::kCaller ? v1::SIGNAL_TARGET_CALLER
                                                                         : v1::SIGNAL_TARGET_OWNERS);
        for (const std::string& entry : format_signal_steps(policy.signal->signals)) {
            signal.add_signals(entry);
        }
        return;
    }
    const std::string error = errno_name(policy.deny_errno);
    if (!policy.hold) {
        out.mutable_deny()->set_error(error);
        return;
    }
    *out.mutable_hold() = hold_to_proto(policy);
}

void add_texts(const std::vector<std::string>& texts, Texts& out)
{
    for (const std::string& text : texts) {
        out.Add(valid_utf8(text));
    }
}

void set_file(const FileSelector& file, v1::FileSelector& out)
{
    add_texts(file.path_prefixes, *out.mutable_path_prefixes());
    add_texts(file.mounts, *out.mutable_mounts());
    for (const InodeId& inode : file.inodes) {
        out.add_inodes(to_string(inode));
    }
    add_texts(file.filesystems, *out.mutable_filesystems());
}

void set_process(const ProcessSelector& process, v1::ProcessSelector& out)
{
    out.mutable_uids()->Add(process.uids.begin(), process.uids.end());
    add_texts(process.comms, *out.mutable_comms());
    add_texts(process.cgroups, *out.mutable_cgroups());
    add_texts(process.binaries, *out.mutable_binaries());
    add_texts(process.containers, *out.mutable_containers());
}

void set_pin(const PinSelector& pin, v1::PinSelector& out)
{
    add_texts(pin.drivers, *out.mutable_drivers());
    out.set_min_bytes(pin.min_bytes);
    if (pin.min_age != 0) {
        *out.mutable_min_age() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(pin.min_age));
    }
    if (pin.long_term) {
        out.set_long_term(*pin.long_term);
    }
}

}  // namespace

v1::Mode mode_to_proto(Mode mode)
{
    switch (mode) {
        case Mode::kMonitor: return v1::MODE_MONITOR;
        case Mode::kEnforce: return v1::MODE_ENFORCE;
        case Mode::kOff: return v1::MODE_OFF;
    }
    return v1::MODE_UNSPECIFIED;
}

v1::Hold hold_to_proto(const Policy& policy)
{
    v1::Hold hold;
    *hold.mutable_timeout() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(policy.hold->timeout));
    hold.set_on_timeout(outcome_to_proto(policy.hold->on_timeout));
    hold.set_fallback(outcome_to_proto(policy.hold->fallback));
    hold.set_error(errno_name(policy.deny_errno));
    if (policy.hold->revoke) {
        *hold.mutable_revoke() = revoke_to_proto(*policy.hold->revoke);
    }
    return hold;
}

v1::Policy policy_to_proto(const Policy& policy)
{
    v1::Policy out;
    out.set_name(valid_utf8(policy.name));
    out.set_mode(mode_to_proto(policy.mode));
    v1::Match& match = *out.mutable_match();
    for (const Operation operation : policy.operations) {
        match.add_operations(operation_to_proto(operation));
    }
    if (policy.file != FileSelector()) {
        set_file(policy.file, *match.mutable_file());
    }
    if (policy.pin != PinSelector()) {
        set_pin(policy.pin, *match.mutable_pin());
    }
    if (!policy.owner.any()) {
        set_process(policy.owner, *match.mutable_owner());
    }
    if (!policy.caller.any()) {
        set_process(policy.caller, *match.mutable_caller());
    }
    set_action(policy, *out.mutable_action());
    out.set_unresolved(unresolved_to_proto(policy.unresolved));
    out.set_when_unattended(unattended_to_proto(policy.when_unattended));
    return out;
}

v1::ListPoliciesResponse policies_to_proto(const Snapshot& snapshot)
{
    v1::ListPoliciesResponse out;
    out.set_generation(snapshot.policy_generation);
    for (const PolicyState& state : snapshot.policies) {
        v1::PolicyStatus& added = *out.add_policies();
        if (state.policy.operations.empty()) {
            // Its text was not understood.
            added.mutable_policy()->set_name(valid_utf8(state.policy.name));
        } else {
            *added.mutable_policy() = policy_to_proto(state.policy);
        }
        added.set_state(valid_utf8(state.state));
        added.set_reason(valid_utf8(state.reason));
        added.set_source(valid_utf8(state.policy.source));
        added.set_matched(state.counters.matched);
        added.set_denied(state.counters.denied);
        added.set_would_have_denied(state.counters.would_have_denied);
        added.set_held(state.counters.held);
        added.set_would_have_held(state.counters.would_have_held);
        added.set_signalled(state.counters.signalled);
        added.set_would_have_signalled(state.counters.would_have_signalled);
        added.set_notified(state.counters.notified);
        added.set_would_have_notified(state.counters.would_have_notified);
    }
    return out;
}

}  // namespace pinwarden
