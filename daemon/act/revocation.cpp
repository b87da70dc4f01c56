#include "act/revocation.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <utility>

namespace pinwarden {
namespace {

void merge(SignalVictim& into, SignalVictim from)
{
    into.inferred = into.inferred && from.inferred;
    into.held.bytes += from.held.bytes;
    into.held.pins.insert(into.held.pins.end(), from.held.pins.begin(), from.held.pins.end());
    into.held.drivers.merge(from.held.drivers);
}

std::vector<PlannedSignal> plan_steps(const std::vector<SignalStep>& steps, const std::string& field,
                                      Nanoseconds settle)
{
    std::vector<PlannedSignal> signals;
    signals.reserve(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
        // Entries are counted as in the policy's text, durations included.
        signals.push_back({.signal = steps[i].signal,
                           .wait = i + 1 < steps.size() ? steps[i].wait : settle,
                           .rule = field + "[" + std::to_string(2 * i) + "]"});
    }
    return signals;
}

}  // namespace

SignalPlan plan_of(const Revoke& revoke, Nanoseconds settle)
{
    SignalPlan plan;
    if (revoke.notify) {
        plan.signals.push_back({.signal = *revoke.notify, .wait = revoke.grace, .rule = "revoke.notify", .asks = true});
    } else {
        plan.before = revoke.grace;
    }
    std::ranges::move(plan_steps(revoke.then, "revoke.then", settle), std::back_inserter(plan.signals));
    return plan;
}

SignalPlan plan_of(const SignalAction& action, Nanoseconds settle)
{
    return {.target = action.target, .signals = plan_steps(action.signals, "signal.signals", settle)};
}

std::string_view to_string(ActOutcome outcome)
{
    switch (outcome) {
        case ActOutcome::kSent: return "sent";
        case ActOutcome::kGone: return "gone";
        case ActOutcome::kProtected: return "protected";
        case ActOutcome::kLimited: return "limited";
        case ActOutcome::kFailed: return "failed";
        case ActOutcome::kUnknownOwner: return "unknown_owner";
        case ActOutcome::kInferredOwner: return "inferred_owner";
    }
    return "unknown";
}

std::string_view to_string(RevocationEnd end)
{
    switch (end) {
        case RevocationEnd::kAnswered: return "answered";
        case RevocationEnd::kReleased: return "released";
        case RevocationEnd::kExhausted: return "exhausted";
        case RevocationEnd::kSpared: return "spared";
        case RevocationEnd::kTooManyOwners: return "too_many_owners";
        case RevocationEnd::kLimited: return "limited";
    }
    return "unknown";
}

std::optional<Nanoseconds> Revocation::Victim::took(const Sent& signal) const
{
    return released && *released >= signal.time ? std::optional(*released - signal.time) : std::nullopt;
}

Revocation::Revocation(RevocationOrder order, RevocationLimits limits) : order_(std::move(order)), limits_(limits)
{
    std::map<ProcessId, SignalVictim> processes;
    for (SignalVictim& victim : order_.victims) {
        const auto [there, added] = processes.try_emplace(victim.process, victim);
        if (!added) {
            merge(there->second, std::move(victim));
        }
    }
    for (auto& [process, victim] : processes) {
        std::optional<ActOutcome> spared;
        if (process.pid == 0) {
            spared = ActOutcome::kUnknownOwner;
        } else if (victim.inferred) {
            spared = ActOutcome::kInferredOwner;
        }
        victims_.push_back({.who = std::move(victim), .sent = {}, .released = {}, .spared = spared});
    }
    order_.victims.clear();
    progress_.resize(victims_.size());
}

Result<bool> Revocation::answer(const ProcessId& process, RevocationIntent intent, Nanoseconds now)
{
    const auto victim =
        std::ranges::find(victims_, process, [](const Victim& one) -> const ProcessId& { return one.who.process; });
    if (victim == victims_.end() || (victim->answer && victim->answer->intent == intent)) {
        return false;
    }
    if (victim->answers == kMostAnswers) {
        return fail("process " + std::to_string(process.pid) + " has answered revocation " + std::to_string(order_.id) +
                        " " + std::to_string(kMostAnswers) +
                        " times already, each time otherwise; the last answer stays",
                    EUSERS);
    }
    ++victim->answers;
    victim->answer = Answer{intent, now};
    return true;
}

bool Revocation::in_question(const Victim& victim)
{
    return !victim.released && !victim.spared;
}

void Revocation::begin(Nanoseconds now)
{
    begun_ = true;
    for (Progress& progress : progress_) {
        progress.due = now + order_.plan.before;
    }
    if (static_cast<std::size_t>(std::ranges::count_if(victims_, in_question)) > limits_.processes) {
        end_ = RevocationEnd::kTooManyOwners;
    }
}

void Revocation::note_released(Nanoseconds now, const StillPinning& still_pinning)
{
    for (Victim& victim : victims_) {
        if (!victim.released && !still_pinning(victim.who.process)) {
            victim.released = now;
        }
    }
    if (victims_.empty()) {
        end_ = RevocationEnd::kSpared;
    } else if (std::ranges::all_of(victims_, [](const Victim& victim) { return victim.released.has_value(); })) {
        end_ = insisted_ ? RevocationEnd::kReleased : RevocationEnd::kAnswered;
    }
}

std::vector<Act> Revocation::step(Nanoseconds now, const StillPinning& still_pinning)
{
    if (end_) {
        return {};
    }
    note_released(now, still_pinning);
    if (!begun_ && !end_) {
        begin(now);
    }
    std::vector<Act> acts;
    for (std::size_t i = 0; i < victims_.size() && !end_; ++i) {
        if (auto act = act_on(i, now)) {
            acts.push_back(std::move(*act));
        }
    }
    if (!end_) {
        end_if_nothing_is_left(now);
    }
    begun_ = true;
    return acts;
}

std::optional<Act> Revocation::act_on(std::size_t victim, Nanoseconds now)
{
    const SignalVictim& who = victims_[victim].who;
    Progress& progress = progress_[victim];
    if (!in_question(victims_[victim]) || now < progress.due || progress.signal == order_.plan.signals.size()) {
        return std::nullopt;
    }
    const PlannedSignal& planned = order_.plan.signals[progress.signal];
    ++progress.signal;
    progress.due = now + planned.wait;
    return Act{.process = who.process, .signal = planned.signal, .rule = planned.rule, .held = who.held};
}

// What is spared is not waited for: nothing was done that could make it let go.
void Revocation::end_if_nothing_is_left(Nanoseconds now)
{
    bool tried = false;
    for (std::size_t i = 0; i < victims_.size(); ++i) {
        const Victim& victim = victims_[i];
        const bool gone = victim.spared == ActOutcome::kGone;
        if (victim.released || (victim.spared && !gone)) {
            continue;
        }
        if (now < progress_[i].due || progress_[i].signal < order_.plan.signals.size()) {
            return;
        }
        tried = true;
    }
    end_ = tried ? RevocationEnd::kExhausted : RevocationEnd::kSpared;
}

void Revocation::done(const Act& act, ActOutcome outcome, Nanoseconds now)
{
    const auto found = std::ranges::find(victims_, act.process, [](const Victim& one) { return one.who.process; });
    if (found == victims_.end()) {
        return;
    }
    const auto index = static_cast<std::size_t>(found - victims_.begin());
    Progress& progress = progress_[index];
    switch (outcome) {
        case ActOutcome::kSent: {
            found->sent.push_back({act.signal, now});
            const PlannedSignal& planned = order_.plan.signals[progress.signal - 1];
            // The wait is that from the signal, not from when it was due.
            progress.due = now + planned.wait;
            progress.failures = 0;
            if (!planned.asks) {
                insisted_ = act.signal;
            }
            break;
        }
        case ActOutcome::kGone:
            // The kernel may still be letting go of its pins.
            found->spared = outcome;
            progress.signal = order_.plan.signals.size();
            progress.due = now + order_.plan.signals.back().wait;
            break;
        case ActOutcome::kLimited: end_ = RevocationEnd::kLimited; break;
        case ActOutcome::kFailed: note_failure(index, now); break;
        case ActOutcome::kProtected:
        case ActOutcome::kUnknownOwner:
        case ActOutcome::kInferredOwner: found->spared = outcome; break;
    }
}

// The same signal again: one that insists must not come to a process that was never asked.
void Revocation::note_failure(std::size_t victim, Nanoseconds now)
{
    Progress& progress = progress_[victim];
    --progress.signal;
    progress.due = now + limits_.retry;
    if (++progress.failures > limits_.retries) {
        victims_[victim].spared = ActOutcome::kFailed;
    }
}

std::optional<Nanoseconds> Revocation::next() const
{
    if (end_) {
        return std::nullopt;
    }
    std::optional<Nanoseconds> next;
    for (std::size_t i = 0; i < victims_.size(); ++i) {
        const bool waited_for =
            in_question(victims_[i]) || (!victims_[i].released && victims_[i].spared == ActOutcome::kGone);
        if (waited_for) {
            next = std::min(next.value_or(progress_[i].due), progress_[i].due);
        }
    }
    // With nobody to wait for, there is an end to be seen.
    return next.value_or(0);
}

}  // namespace pinwarden
