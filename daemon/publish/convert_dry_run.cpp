#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

using google::protobuf::util::TimeUtil;

constexpr std::uint32_t kMaxDeviceMajor = 0xfff;
constexpr std::uint32_t kMaxDeviceMinor = 0xfffff;

google::protobuf::Duration to_duration(Nanoseconds duration)
{
    return TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(duration));
}

void add_finding(const PolicyFinding& finding, const DryRunView& view, const Times& times,
                 v1::TestPoliciesResponse& out)
{
    v1::PolicyFinding& added = *out.add_policies();
    added.set_name(valid_utf8(finding.name));
    added.set_mode(mode_to_proto(finding.mode));
    added.set_matched(finding.matched);
    added.set_decides(finding.decides);
    added.set_reason(valid_utf8(finding.reason));
    added.set_tested(std::ranges::find(view.tested, finding.name) != view.tested.end());
    if (finding.matches_from) {
        *added.mutable_matches_from() = times.timestamp(*finding.matches_from);
    }
}

// What the daemon has not asked the process itself, its pins tell.
void name_by_pins(const PreviewedOwner& owner, const Conflict& conflict, v1::Process& out)
{
    const auto pin = std::ranges::find(conflict.pins, owner.who.process,
                                       [](const PinRecord& record) { return record.owner.process; });
    if (owner.known || pin == conflict.pins.end()) {
        return;
    }
    out.set_comm(valid_utf8(pin->owner.comm));
    out.set_uid(pin->owner.uid);
}

void add_owner(const PreviewedOwner& owner, const Conflict& conflict, const Times& times, v1::TestPoliciesResponse& out)
{
    v1::PreviewedOwner& added = *out.add_owners();
    v1::Process& process = *added.mutable_process();
    set_victim(owner.who.process, owner.known ? &*owner.known : nullptr, times, process);
    name_by_pins(owner, conflict, process);
    process.set_inferred(owner.who.inferred);
    process.set_exited(owner.spared == ActOutcome::kGone);
    for (const PreviewedSignal& signal : owner.signals) {
        v1::PreviewedSignal& sent = *added.add_signals();
        sent.set_signal(signal_name(signal.signal));
        *sent.mutable_after() = to_duration(signal.after);
        sent.set_rule(signal.rule);
    }
    if (owner.spared) {
        added.set_spared(std::string(to_string(*owner.spared)));
    }
    added.set_reason(valid_utf8(owner.reason));
    added.set_bytes(owner.who.held.bytes);
}

}  // namespace

Result<DryRunQuestion> question_from_request(const v1::TestPoliciesRequest& request)
{
    DryRunQuestion question;
    if (request.path().empty() == (request.inode() == 0)) {
        return std::unexpected(Error{request.path().empty()
                                         ? "file: must be given, by `path` or by `inode`"
                                         : "file: is given twice; fill only one of `path` and `inode`",
                                     EINVAL, "path"});
    }
    if (request.device_major() > kMaxDeviceMajor || request.device_minor() > kMaxDeviceMinor) {
        return std::unexpected(Error{"device_major, device_minor: there is no such device", EINVAL,
                                     request.device_major() > kMaxDeviceMajor ? "device_major" : "device_minor"});
    }
    question.path = request.path();
    question.inode = request.inode();
    question.device = request.device_major() << 20U | request.device_minor();
    const auto operation = parse_operation(request.operation());
    if (!operation) {
        return std::unexpected(operation.error());
    }
    question.operation = *operation;
    if (question.path.empty() && operation->operation == PW_OPERATION_UMOUNT) {
        return std::unexpected(
            Error{"file: umount is about a file system; give the path it is mounted at", EINVAL, "path"});
    }
    auto policies = policies_from_texts(request.texts());
    if (!policies) {
        return std::unexpected(policies.error());
    }
    question.policies = std::move(*policies);
    if (request.caller().has_uid()) {
        question.caller_uid = request.caller().uid();
    }
    question.caller_comm = request.caller().comm();
    return question;
}

v1::TestPoliciesResponse dry_run_to_proto(const DryRunView& view)
{
    const Times times{view.taken, view.boot_to_unix};
    const Conflict& conflict = view.run.conflict;
    v1::TestPoliciesResponse out;
    set_conflict({.conflict = conflict,
                  .policy = view.deciding ? view.deciding->name : "",
                  .reason = view.run.reason,
                  .hold = 0},
                 times, *out.mutable_conflict());
    // Nobody called.
    out.mutable_conflict()->mutable_caller()->clear_start_time();
    for (const PolicyFinding& finding : view.run.findings) {
        add_finding(finding, view, times, out);
    }
    if (view.deciding && view.deciding->hold) {
        *out.mutable_hold() = hold_to_proto(*view.deciding);
    }
    if (view.signals) {
        for (const PreviewedOwner& owner : view.signals->owners) {
            add_owner(owner, conflict, times, out);
        }
        out.set_too_many_owners(view.signals->too_many);
    }
    out.set_ledger_certain(view.ledger_certain);
    out.set_note(valid_utf8(view.run.note));
    return out;
}

}  // namespace pinwarden
