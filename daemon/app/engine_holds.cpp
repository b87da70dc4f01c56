// What the engine does about held operations.
#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "app/engine.h"
#include "app/views.h"

namespace pinwarden {
namespace {

// When much happens, what it means for revocations is looked at that often.
constexpr Nanoseconds kRevocationStepEvery = 5'000'000;

}  // namespace

void Engine::attend()
{
    const auto why_not = holds_.attend(around_.clock.now());
    if (!why_not || holds_nobody_) {
        return;
    }
    holds_nobody_ = true;
    const std::string notice = *why_not + ": nobody is held, each policy's fallback decides";
    around_.log_warning(notice);
    add_notice(notice);
}

void Engine::on(const HoldEndEvent& event)
{
    if (const auto held = holds_.end(event)) {
        end_hold(*held, event);
    }
}

// One that fails after all counts as denied by the policy that held it last.
void Engine::end_hold(const Holds::Held& held, const HoldEndEvent& event)
{
    if (event.error != 0) {
        OperationEvent failed = held.held.operation;
        failed.verdict = PW_VERDICT_DENY;
        failed.matched = 0;
        enforcer_.count(failed);
    }
    const Nanoseconds lasted = event.time - std::min(event.time, held.held.since);
    ++holds_ended_[std::string(to_string(event.outcome))];
    hold_durations_.observe(lasted);
    if (around_.fanout.has_subscribers()) {
        announce(event.time, HoldEndedNotice{view_hold(held), std::string(to_string(event.outcome)), lasted});
    }
}

// Continued after what is known of the files was told: who asks again is decided by it.
void Engine::step_holds()
{
    const Nanoseconds now = around_.clock.now();
    for (const Holds::Held& held : holds_.step(enforcer_, ledger_, now)) {
        end_hold(held, {.time = now,
                        .hold = held.held.id,
                        .since = held.held.since,
                        .asked = held.held.asked,
                        .outcome = PW_HOLD_ABANDONED});
    }
    step_revocations();
}

std::optional<Nanoseconds> Engine::next_hold_step() const
{
    const auto holds = holds_.next_step();
    auto revocations = revocations_.next();
    if (revocations_waiting_) {
        revocations = std::min(revocations.value_or(next_revocation_step_), next_revocation_step_);
    }
    if (!holds || !revocations) {
        return holds ? holds : revocations;
    }
    return std::min(*holds, *revocations);
}

// Owners are asked for what is held for certain, and by a policy that is in force still.
void Engine::step_revocations()
{
    const Nanoseconds now = around_.clock.now();
    revocations_waiting_ = !holds_.all().empty() || !revocations_.empty();
    if (now < next_revocation_step_ || !revocations_waiting_) {
        return;
    }
    revocations_waiting_ = false;
    next_revocation_step_ = now + kRevocationStepEvery;
    for (const auto& [id, held] : holds_.all()) {
        const OperationEvent& operation = held.held.operation;
        const Policy* policy = enforcer_.deciding(operation);
        if (policy != nullptr && operation.generation == enforcer_.generation() && !operation.unresolved &&
            !held.released && now < held.held.deadline) {
            revocations_.want(held.held, *policy, ledger_, [&] { return conflict_of(operation).path; }, now);
        }
    }
    tell(revocations_.step(ledger_, now));
}

void Engine::tell(RevocationNews news)
{
    for (auto& [order, report] : news.acts) {
        ++signals_[std::string(to_string(report.outcome))];
        if (report.outcome != ActOutcome::kSent && report.outcome != ActOutcome::kGone) {
            around_.log_warning("policy " + order.policy + ": process " + std::to_string(report.act.process.pid) +
                                " was not sent " + signal_name(report.act.signal) + ": " + report.reason);
        }
        if (around_.fanout.has_subscribers()) {
            announce(around_.clock.now(),
                     SignalNotice{order.policy, order.operation.operation, order.operation.file, std::move(report)});
        }
    }
    for (const EndedRevocation& ended : news.ended) {
        tell_end(ended);
    }
    for (const std::string& policy : news.limited) {
        degrade(policy);
    }
}

void Engine::tell_end(const EndedRevocation& ended)
{
    const Revocation& revocation = ended.revocation;
    ++revocations_ended_[std::string(to_string(*revocation.end()))];
    for (const Revocation::Victim& victim : revocation.victims()) {
        if (const auto took = victim.sent.empty() ? std::nullopt : victim.took(victim.sent.back())) {
            revocation_releases_.observe(*took);
        }
    }
    if (around_.fanout.has_subscribers()) {
        const RevocationOrder& order = revocation.order();
        announce(around_.clock.now(), RevocationNotice{order.policy, order.operation.operation, order.operation.file,
                                                       *revocation.end(), revocation.victims(), ended.known});
    }
}

// Nothing is done that is not on record.
Result<void> Engine::check_audit_log(const std::vector<Policy>& policies) const
{
    const auto signals = [](const Policy& policy) {
        return policy.mode == Mode::kEnforce && policy.hold && policy.hold->revoke;
    };
    const auto found = std::ranges::find_if(policies, signals);
    if (found == policies.end()) {
        return {};
    }
    if (auto opened = around_.audit_log.open(); !opened) {
        return std::unexpected(Error{"policy \"" + found->name + "\" signals processes, and each signal must be on " +
                                         "record first: " + opened.error().message,
                                     EINVAL});
    }
    return {};
}

bool Engine::stop_holding()
{
    holds_.stop();
    step_holds();
    return holds_.under_way() == 0;
}

Result<void> Engine::release_hold(std::uint64_t id, Outcome outcome)
{
    if (!holds_.all().contains(id)) {
        return std::unexpected(no_such_hold(id, holds().holds));
    }
    return holds_.release(id, outcome, around_.clock.now());
}

HoldView Engine::view_hold(const Holds::Held& held) const
{
    const HeldOperation& known = held.held;
    return {.id = known.id,
            .conflict = view_conflict(conflict_of(known.operation), enforcer_.deciding(known.operation)),
            .since = known.since,
            .deadline = known.deadline,
            .asked = known.asked,
            .released = held.released};
}

HoldsView Engine::holds() const
{
    HoldsView view{.holds = {}, .taken = around_.clock.now(), .boot_to_unix = around_.clock.boot_to_unix()};
    for (const auto& [id, held] : holds_.all()) {
        view.holds.push_back(view_hold(held));
    }
    return view;
}

}  // namespace pinwarden
