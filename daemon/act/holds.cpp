#include "act/holds.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "act/in_the_way.h"

namespace pinwarden {
namespace {

// How often what changed is looked at, when much does.
constexpr Nanoseconds kLookEvery = 10'000'000;
// Without anything that changes.
constexpr Nanoseconds kLookAnyway = 250'000'000;
constexpr Nanoseconds kFirstPause = 20'000'000;
constexpr Nanoseconds kLongestPause = 500'000'000;
// Who runs that long, and did not ask again, will not: a signal's handler went elsewhere, or its file was closed.
constexpr Nanoseconds kGivenUpAfter = 1'000'000'000;
// The record that says how it ended may be on its way.
constexpr Nanoseconds kEndedAfter = 1'000'000'000;

bool passed(Nanoseconds since, Nanoseconds span, Nanoseconds now)
{
    return since != 0 && now >= since + span;
}

// Whether the ledger knows every pin that could be in its way.
bool known(const Ledger& ledger, const OperationEvent& operation)
{
    if (!ledger.certain()) {
        return false;
    }
    return operation.operation == PW_OPERATION_UMOUNT || ledger.find_file(operation.file) == nullptr ||
           ledger.file_state(operation.file).complete;
}

}  // namespace

std::optional<std::string> Holds::attend(Nanoseconds now)
{
    if (stopping_) {
        return std::nullopt;
    }
    auto why_not = sink_.attend(now + kAttendFor);
    const bool could = std::exchange(can_hold_, !why_not);
    look_ = look_ || could != can_hold_;
    return why_not;
}

void Holds::begin(const OperationEvent& operation)
{
    Held& held = holds_[operation.hold];
    held.held.id = operation.hold;
    held.held.since = operation.time;
    held.held.operation = operation;
    look_ = true;
}

std::optional<Holds::Held> Holds::end(const HoldEndEvent& event)
{
    const auto found = holds_.find(event.hold);
    if (found == holds_.end()) {
        return std::nullopt;
    }
    Held ended = std::move(found->second);
    holds_.erase(found);
    ended.held.asked = event.asked;
    return ended;
}

void Holds::look_at_caller(Held& held, Nanoseconds now)
{
    if (sink_.stopped(held.held.operation.caller)) {
        held.running_since = 0;
    } else if (held.running_since == 0) {
        held.running_since = now;
    }
}

std::vector<Holds::Held> Holds::refresh(Nanoseconds now)
{
    absl::btree_map<std::uint64_t, HeldOperation> listed;
    for (HeldOperation& held : sink_.list()) {
        const std::uint64_t id = held.id;
        listed.emplace(id, std::move(held));
    }
    for (auto& [id, held] : listed) {
        Held& known = holds_[id];
        // Names of the caller are not in the kernel's table.
        if (known.held.id != 0) {
            held.operation.caller = known.held.operation.caller;
        }
        known.held = std::move(held);
    }
    const bool look_at_callers = now >= next_look_at_callers_;
    if (look_at_callers) {
        next_look_at_callers_ = now + kLookAnyway;
    }
    std::vector<Held> ended;
    for (auto hold = holds_.begin(); hold != holds_.end();) {
        Held& held = hold->second;
        const bool is_listed = listed.contains(hold->first);
        if (is_listed) {
            held.unlisted_since = 0;
            if (look_at_callers) {
                look_at_caller(held, now);
            }
        } else if (held.unlisted_since == 0) {
            held.unlisted_since = now;
        }
        const bool given_up = passed(held.running_since, kGivenUpAfter, now);
        if (!given_up && !passed(held.unlisted_since, kEndedAfter, now)) {
            ++hold;
            continue;
        }
        if (is_listed) {
            sink_.forget(held.held);
        }
        // It may have come back just now, to be held under the number that was forgotten.
        sink_.resume(held.held.operation.caller.process);
        ended.push_back(std::move(held));
        hold = holds_.erase(hold);
    }
    return ended;
}

bool Holds::may_go_on(const Held& held, const Enforcer& enforcer, const Ledger& ledger, Nanoseconds now) const
{
    const OperationEvent& operation = held.held.operation;
    if (stopping_ || !can_hold_ || held.released || now >= held.held.deadline ||
        operation.generation != enforcer.generation()) {
        return true;
    }
    // What is known says nothing then; the kernel's own counts may let it go on.
    if (!known(ledger, operation)) {
        return !operation.unresolved;
    }
    const Policy* policy = enforcer.deciding(operation);
    return operation.unresolved || policy == nullptr || pins_in_the_way(*policy, ledger, operation, now).empty();
}

std::vector<Holds::Held> Holds::step(const Enforcer& enforcer, const Ledger& ledger, Nanoseconds now)
{
    if (holds_.empty() && sink_.under_way() == 0) {
        look_ = false;
        return {};
    }
    const std::optional<Nanoseconds> due = next_step();
    if (due && now < *due) {
        return {};
    }
    look_ = false;
    next_look_ = now + kLookEvery;
    std::vector<Held> ended = refresh(now);
    for (auto& [id, held] : holds_) {
        if (held.unlisted_since != 0 || !may_go_on(held, enforcer, ledger, now)) {
            held.pause = 0;
            held.next_resume = 0;
            continue;
        }
        if (now < held.next_resume) {
            continue;
        }
        sink_.resume(held.held.operation.caller.process);
        held.pause = std::clamp(2 * held.pause, kFirstPause, kLongestPause);
        held.next_resume = now + held.pause;
    }
    return ended;
}

std::optional<Nanoseconds> Holds::next_step() const
{
    if (holds_.empty() && sink_.under_way() == 0) {
        return std::nullopt;
    }
    if (look_) {
        return next_look_;
    }
    Nanoseconds next = next_look_ + kLookAnyway;
    for (const auto& [id, held] : holds_) {
        next = std::min(next, held.next_resume != 0 ? held.next_resume : std::max(held.held.deadline, next_look_));
    }
    return next;
}

Result<void> Holds::release(std::uint64_t id, Outcome outcome, Nanoseconds now)
{
    const auto found = holds_.find(id);
    if (found == holds_.end()) {
        return fail("no operation is held as number " + std::to_string(id), ENOENT);
    }
    if (auto released = sink_.release(id, outcome); !released) {
        return released;
    }
    Held& held = found->second;
    held.released = outcome;
    sink_.resume(held.held.operation.caller.process);
    held.pause = kFirstPause;
    held.next_resume = now + held.pause;
    return {};
}

void Holds::stop()
{
    stopping_ = true;
    sink_.attend(0);
    look_ = true;
    next_look_ = 0;
}

}  // namespace pinwarden
