// What the engine does about held operations.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "act/audit_records.h"
#include "act/in_the_way.h"
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
    record_hold_end(held.held.operation, event, lasted);
    ++holds_ended_[std::string(to_string(event.outcome))];
    hold_durations_.observe(lasted);
    if (around_.conflicts != nullptr) {
        around_.conflicts->hold_ended(event.hold, {std::string(to_string(event.outcome)), lasted});
    }
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

// Where the kernel's side could not wait for it, or only watches. Without a ledger that is right nothing is known
// better.
void Engine::settle(OperationEvent& event) const
{
    const Policy* policy = enforcer_.deciding(event);
    if (!event.unresolved || policy == nullptr || !policy->goes_ahead() || !ledger_.certain()) {
        return;
    }
    ProcessSelector by_cgroup;
    by_cgroup.cgroups = policy->caller.cgroups;
    by_cgroup.containers = policy->caller.containers;
    if (!suits(by_cgroup, event.caller) || pins_in_the_way(*policy, ledger_, event, around_.clock.now()).empty()) {
        event.verdict = PW_VERDICT_ALLOW;
    }
    event.unresolved = false;
}

// Nobody is signalled by guess, nor for a policy that is another by now.
void Engine::signal_about(const OperationEvent& event, const Conflict& conflict)
{
    const Policy* policy = enforcer_.deciding(event);
    if (policy == nullptr || event.generation != enforcer_.generation()) {
        return;
    }
    if (event.unresolved) {
        around_.log_warning("policy " + policy->name + ": signals nobody about " +
                            std::string(to_string(event.operation)) + " by process " +
                            std::to_string(event.caller.process.pid) + ": it is not known which pins are in its way");
        return;
    }
    const pw_page_range pages = pages_taken(event);
    revocations_.signal(*policy, event.generation,
                        {.operation = std::string(to_string(event.operation)),
                         .file = conflict.path,
                         .first_page = pages.first,
                         .end_page = pages.end,
                         .caller = event.caller},
                        event.file, pins_in_the_way(*policy, ledger_, event, around_.clock.now()));
    revocations_waiting_ = true;
}

void Engine::signal_about(const InvalidationConflict& conflict, const Policy& policy,
                          const std::vector<PinRecord>& pins)
{
    const bool in_doubt = std::ranges::any_of(pins, [this](const PinRecord& pin) { return ledger_.in_doubt(pin); });
    if (!ledger_.complete() || in_doubt) {
        around_.log_warning("policy " + policy.name + ": signals nobody about " +
                            std::string(to_string(conflict.event.operation)) + " by process " +
                            std::to_string(conflict.event.caller.process.pid) + ": " +
                            (in_doubt ? "a pin it met was made a moment ago, and may be gone by now"
                                      : "events were lost, so it is not known for certain which pins it met"));
        return;
    }
    std::vector<const PinRecord*> met;
    met.reserve(pins.size());
    std::ranges::transform(pins, std::back_inserter(met), [](const PinRecord& pin) { return &pin; });
    revocations_.signal(policy, enforcer_.generation(),
                        {.operation = std::string(to_string(conflict.event.operation)),
                         .file = "",
                         .first_page = 0,
                         .end_page = 0,
                         .caller = conflict.event.caller},
                        FileKey(), met);
    revocations_waiting_ = true;
}

void Engine::policies_changed(const std::vector<std::string>& names)
{
    for (const std::string& name : names) {
        revocations_.drop_signals(name);
    }
    holds_.look_again();
}

void Engine::tell(RevocationNews news)
{
    for (const Revocation& begun : news.begun) {
        if (around_.fanout.has_subscribers()) {
            const RevocationOrder& order = begun.order();
            announce(around_.clock.now(), RevocationNotice{.policy = order.policy,
                                                           .operation = order.operation.operation,
                                                           .path = order.operation.file,
                                                           .victims = begun.victims(),
                                                           .id = order.id});
        }
    }
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
    // Of a caller there is nothing to let go.
    if (revocation.order().plan.target == SignalTarget::kCaller) {
        return;
    }
    ++revocations_ended_[std::string(to_string(*revocation.end()))];
    for (const Revocation::Victim& victim : revocation.victims()) {
        if (const auto took = victim.sent.empty() ? std::nullopt : victim.took(victim.sent.back())) {
            revocation_releases_.observe(*took);
        }
    }
    if (around_.fanout.has_subscribers()) {
        const RevocationOrder& order = revocation.order();
        announce(around_.clock.now(), RevocationNotice{order.policy, order.operation.operation, order.operation.file,
                                                       revocation.end(), revocation.victims(), ended.known, order.id});
    }
}

bool Engine::stop_holding()
{
    holds_.stop();
    step_holds();
    return holds_.under_way() == 0;
}

Result<void> Engine::release_hold(std::uint64_t id, Outcome outcome, std::optional<Requester> asked_by)
{
    const auto found = holds_.all().find(id);
    if (found == holds_.all().end()) {
        return std::unexpected(no_such_hold(id, holds().holds));
    }
    ReleaseEntry entry{
        .hold = hold_entry(conflict_of(found->second.held.operation)), .outcome = outcome, .asked_by = asked_by};
    entry.hold.hold = id;
    // One that fails takes nothing away: nobody has to wait for room on a disk for that.
    return on_record(entry, outcome == Outcome::kAllow,
                     [&] { return holds_.release(id, outcome, around_.clock.now()); });
}

Result<void> Engine::acknowledge(std::uint64_t id, RevocationIntent intent, const Requester& asked_by)
{
    auto news = revocations_.acknowledge(id, asked_by.pid, intent, around_.clock.now());
    if (!news) {
        return std::unexpected(news.error());
    }
    if (*news) {
        (*news)->asked_by = asked_by;
        look_at_record(around_.audit_log.acknowledged(**news));
    }
    return {};
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
