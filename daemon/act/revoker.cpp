#include "act/revoker.h"

#include <cerrno>
#include <utility>

namespace pinwarden {
namespace {

// Of a process that is left alone from the beginning.
ActReport report_spared(const Revocation::Victim& victim, const SignalPlan& plan)
{
    Act act{.process = victim.who.process, .rule = "", .held = victim.who.held};
    if (!plan.signals.empty()) {
        act.signal = plan.signals.front().signal;
        act.rule = plan.signals.front().rule;
    }
    return {.act = std::move(act), .outcome = *victim.spared, .reason = why_spared(*victim.spared)};
}

std::string limit_reason(TokenBuckets::Taken taken, const std::string& policy)
{
    const std::string whose =
        taken == TokenBuckets::Taken::kPolicyEmpty ? "policy " + policy + " has" : "all policies have";
    return whose + " sent as many signals as may be sent in so short a time";
}

}  // namespace

std::string why_spared(ActOutcome outcome)
{
    return outcome == ActOutcome::kUnknownOwner
               ? "it is not known which process it is"
               : "the owner was not reported but found by who maps the pages; it may be the wrong one";
}

std::vector<ActReport> Revoker::step(Revocation& revocation, const Revocation::StillPinning& still_pinning)
{
    std::vector<ActReport> reports;
    if (!revocation.begun()) {
        for (const Revocation::Victim& victim : revocation.victims()) {
            if (victim.spared) {
                reports.push_back(report_spared(victim, revocation.order().plan));
            }
        }
    }
    for (const Act& act : revocation.step(means_.clock.now(), still_pinning)) {
        reports.push_back(perform(act, revocation.order()));
        revocation.done(act, reports.back().outcome, means_.clock.now());
        if (reports.back().outcome == ActOutcome::kLimited) {
            break;
        }
    }
    return reports;
}

bool Revoker::runs(const ProcessId& process) const
{
    const auto facts = means_.signals.facts(process);
    return facts ? !facts->exiting : facts.error().code != ESRCH;
}

ActReport Revoker::perform(const Act& act, const RevocationOrder& order)
{
    ActReport report = look_at(act);
    if (report.outcome != ActOutcome::kSent) {
        return report;
    }
    const auto taken = means_.buckets.take(order.policy, means_.clock.now());
    if (taken != TokenBuckets::Taken::kOk) {
        report.outcome = ActOutcome::kLimited;
        report.reason = limit_reason(taken, order.policy);
        return report;
    }
    const Nanoseconds begun = means_.clock.now();
    const auto record = means_.log.begin(SignalEntry{.policy = order.policy,
                                                     .generation = order.generation,
                                                     .rule = act.rule,
                                                     .signal = act.signal,
                                                     .target = order.plan.target,
                                                     .victim = *report.victim,
                                                     .operation = order.operation,
                                                     .held = act.held,
                                                     .asked_by = order.asked_by});
    if (!record) {
        means_.buckets.give_back(order.policy);
        report.outcome = ActOutcome::kFailed;
        report.reason = record.error().message +
                        "; no signal is sent without its record: make room, or mend what keeps it from being written";
        return report;
    }
    report = send(act);
    if (report.outcome != ActOutcome::kSent) {
        means_.buckets.give_back(order.policy);
    }
    const AuditOutcome outcome{
        .result = std::string(to_string(report.outcome)), .reason = report.reason, .took = means_.clock.now() - begun};
    if (const auto completed = means_.log.complete(*record, outcome); !completed) {
        report.reason += (report.reason.empty() ? "" : "; ") + completed.error().message;
    }
    return report;
}

ActReport Revoker::look_at(const Act& act)
{
    ActReport report{.act = act, .outcome = ActOutcome::kSent, .reason = ""};
    auto facts = means_.signals.facts(act.process);
    if (!facts) {
        report.outcome = facts.error().code == ESRCH ? ActOutcome::kGone : ActOutcome::kFailed;
        report.reason = facts.error().message;
        return report;
    }
    report.victim = std::move(*facts);
    if (report.victim->exiting) {
        report.outcome = ActOutcome::kGone;
        report.reason = "it has ended; the kernel is still taking it down";
    } else if (auto reason = protected_.reason(*report.victim)) {
        report.outcome = ActOutcome::kProtected;
        report.reason = std::move(*reason);
    }
    return report;
}

// Writing the record may have taken long, and the process may run another program by now: so it is looked at again.
ActReport Revoker::send(const Act& act)
{
    ActReport report = look_at(act);
    if (report.outcome != ActOutcome::kSent) {
        return report;
    }
    const auto sent = means_.signals.send(act.process, act.signal);
    if (!sent) {
        report.outcome = ActOutcome::kFailed;
        report.reason = sent.error().message;
        return report;
    }
    switch (sent->kind) {
        case SignalOutcome::Kind::kSent: break;
        case SignalOutcome::Kind::kGone:
            report.outcome = ActOutcome::kGone;
            report.reason = "it has ended";
            break;
        case SignalOutcome::Kind::kRefused:
            report.outcome = ActOutcome::kFailed;
            report.reason = sent->reason;
            break;
    }
    return report;
}

}  // namespace pinwarden
