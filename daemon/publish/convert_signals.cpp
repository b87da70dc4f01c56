#include <google/protobuf/util/time_util.h>

#include <cerrno>

#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

using google::protobuf::util::TimeUtil;

void set_path(const std::string& path, v1::File& out)
{
    out.set_path(valid_utf8(path));
}

void add_victim(const Revocation::Victim& victim, const std::map<ProcessId, ProcessFacts>& known, const Times& times,
                v1::Revocation& out)
{
    const ProcessId& process = victim.who.process;
    const auto facts = known.find(process);
    v1::RevocationVictim& added = *out.add_victims();
    set_victim(process, facts == known.end() ? nullptr : &facts->second, times, *added.mutable_process());
    added.mutable_process()->set_inferred(victim.who.inferred);
    added.mutable_process()->set_exited(victim.spared == ActOutcome::kGone);
    for (const Revocation::Sent& sent : victim.sent) {
        v1::SentSignal& signal = *added.add_signals();
        signal.set_signal(signal_name(sent.signal));
        *signal.mutable_time() = times.timestamp(sent.time);
        if (const auto took = victim.took(sent)) {
            *signal.mutable_until_release() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(*took));
        }
    }
    added.set_released(victim.released.has_value());
    if (victim.answer) {
        added.set_intent(victim.answer->intent == RevocationIntent::kLettingGo ? v1::REVOCATION_INTENT_LETTING_GO
                                                                               : v1::REVOCATION_INTENT_CANNOT);
        *added.mutable_intent_time() = times.timestamp(victim.answer->time);
    }
    if (victim.spared) {
        added.set_spared(std::string(to_string(*victim.spared)));
    }
}

}  // namespace

Result<RevocationIntent> intent_from_request(const v1::AcknowledgeRevocationRequest& request)
{
    switch (request.intent()) {
        case v1::REVOCATION_INTENT_LETTING_GO: return RevocationIntent::kLettingGo;
        case v1::REVOCATION_INTENT_CANNOT: return RevocationIntent::kCannot;
        default: return fail_at("intent", "must be REVOCATION_INTENT_LETTING_GO or REVOCATION_INTENT_CANNOT", EINVAL);
    }
}

void set_victim(const ProcessId& process, const ProcessFacts* facts, const Times& times, v1::Process& out)
{
    out.set_pid(process.pid);
    if (process.pid != 0) {
        *out.mutable_start_time() = times.timestamp(process.start_time);
    }
    if (facts == nullptr) {
        return;
    }
    if (facts->uid) {
        out.set_uid(*facts->uid);
    }
    out.set_comm(valid_utf8(facts->comm));
    out.set_executable(valid_utf8(facts->executable));
    out.set_cgroup_path(valid_utf8(facts->cgroup));
}

void set_signal(const SignalNotice& notice, const Times& times, v1::Signal& out)
{
    const ActReport& report = notice.report;
    out.set_policy(valid_utf8(notice.policy));
    out.set_rule(valid_utf8(report.act.rule));
    out.set_signal(signal_name(report.act.signal));
    set_victim(report.act.process, report.victim ? &*report.victim : nullptr, times, *out.mutable_victim());
    out.mutable_victim()->set_inferred(report.outcome == ActOutcome::kInferredOwner);
    out.mutable_victim()->set_exited(report.outcome == ActOutcome::kGone);
    out.set_outcome(std::string(to_string(report.outcome)));
    out.set_reason(valid_utf8(report.reason));
    set_path(notice.path, *out.mutable_file());
    out.set_operation(valid_utf8(notice.operation));
    out.set_pins(report.act.held.pins.size());
    out.set_bytes(report.act.held.bytes);
}

void set_revocation(const RevocationNotice& notice, const Times& times, v1::Revocation& out)
{
    out.set_id(notice.id);
    out.set_policy(valid_utf8(notice.policy));
    out.set_operation(valid_utf8(notice.operation));
    set_path(notice.path, *out.mutable_file());
    out.set_end(notice.end ? std::string(to_string(*notice.end)) : "begun");
    for (const Revocation::Victim& victim : notice.victims) {
        add_victim(victim, notice.known, times, out);
    }
}

}  // namespace pinwarden
