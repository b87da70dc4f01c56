// What the engine does about held operations.
#include <algorithm>
#include <string>

#include "app/engine.h"
#include "app/views.h"

namespace pinwarden {

void Engine::attend()
{
    if (holds_.attend(around_.clock.now()) || unguarded_) {
        return;
    }
    unguarded_ = true;
    const std::string notice =
        "the guardian is gone, which continues who is held should this daemon be killed: nobody is held any more, each "
        "policy's fallback decides; restart the daemon";
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
