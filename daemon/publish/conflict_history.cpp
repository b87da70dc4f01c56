#include "publish/conflict_history.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <string_view>
#include <utility>

#include "policy/policy.h"

namespace pinwarden {
namespace {

// What the filters look at, whichever kind it is.
struct Outline {
    std::string_view path;
    std::string_view policy;
    pw_verdict verdict = PW_VERDICT_ALLOW;
    std::uint32_t caller = 0;
    std::uint64_t hold = 0;  // that it began, or 0
};

Outline outline(const ConflictView& view)
{
    const OperationEvent& operation = view.conflict.operation;
    return {.path = view.conflict.path,
            .policy = view.policy,
            .verdict = operation.verdict,
            .caller = operation.caller.process.pid,
            .hold = operation.verdict == PW_VERDICT_HOLD ? view.hold : 0};
}

Outline outline(const InvalidationView& view)
{
    return {.path = {}, .policy = view.policy, .verdict = view.verdict, .caller = view.caller.process.pid, .hold = 0};
}

Outline outline(const PastConflict& conflict)
{
    return std::visit([](const auto& view) { return outline(view); }, conflict.what);
}

}  // namespace

void remember_owners(const std::vector<PinRecord>& pins, PastConflict& conflict)
{
    for (const PinRecord& pin : pins) {
        ++conflict.pins;
        conflict.bytes += pin.bytes;
        auto owner = std::ranges::find_if(conflict.owners, [&](const PastOwner& one) {
            return one.task.process == pin.owner.process && one.driver == pin.driver;
        });
        if (owner == conflict.owners.end()) {
            if (conflict.owners.size() == kOwnersRemembered) {
                ++conflict.pins_of_others;
                continue;
            }
            conflict.owners.push_back({.task = pin.owner, .exited = pin.owner_exited, .driver = pin.driver});
            owner = std::prev(conflict.owners.end());
        }
        ++owner->pins;
        owner->bytes += pin.bytes;
    }
}

bool ConflictWish::wants(const PastConflict& conflict) const
{
    const Outline what = outline(conflict);
    if (!verdicts.empty() && !verdicts.contains(std::string(to_string(what.verdict)))) {
        return false;
    }
    if (!path_prefix.empty() && (what.path.empty() || !at_or_below(what.path, path_prefix))) {
        return false;
    }
    if (!policy.empty() && what.policy != policy) {
        return false;
    }
    return pid == 0 || what.caller == pid || std::ranges::any_of(conflict.owners, [this](const PastOwner& owner) {
               return owner.task.process.pid == pid;
           });
}

void ConflictHistory::add(PastConflict conflict)
{
    const std::uint64_t hold = outline(conflict).hold;
    auto kept = std::make_shared<PastConflict>(std::move(conflict));
    // What falls out is freed after the lock.
    ConflictList::Entry oldest;
    const std::scoped_lock lock(mutex_);
    kept->number = ++total_;
    if (hold != 0) {
        held_[hold] = kept->number;
    }
    entries_.push_back({std::move(kept), {}});
    if (entries_.size() <= capacity_) {
        return;
    }
    oldest = std::move(entries_.front());
    entries_.pop_front();
    const auto held = held_.find(outline(*oldest.conflict).hold);
    if (held != held_.end() && held->second == oldest.conflict->number) {
        held_.erase(held);
    }
}

void ConflictHistory::hold_ended(std::uint64_t hold, HoldEnd end)
{
    const std::scoped_lock lock(mutex_);
    const auto held = held_.find(hold);
    if (held == held_.end()) {
        return;
    }
    const std::uint64_t oldest = total_ - entries_.size() + 1;
    entries_[held->second - oldest].end = std::move(end);
    held_.erase(held);
}

ConflictList ConflictHistory::list(const ConflictWish& wish) const
{
    ConflictList list;
    std::deque<ConflictList::Entry> entries;
    {
        const std::scoped_lock lock(mutex_);
        entries = entries_;
        list.forgotten = total_ - entries_.size();
    }
    list.remembered = entries.size();
    for (ConflictList::Entry& entry : std::views::reverse(entries)) {
        if (!wish.wants(*entry.conflict)) {
            continue;
        }
        ++list.matched;
        if (wish.limit == 0 || list.conflicts.size() < wish.limit) {
            list.conflicts.push_back(std::move(entry));
        }
    }
    return list;
}

}  // namespace pinwarden
