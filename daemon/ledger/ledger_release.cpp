// The ledger and what is let go: whose pins of the pages are taken.
#include <algorithm>
#include <tuple>

#include "ledger/attribution.h"
#include "ledger/ledger.h"

namespace pinwarden {
namespace {

void append(std::vector<PageRun>& runs, PageRun run)
{
    if (!runs.empty() && runs.back().first + runs.back().count == run.first) {
        runs.back().count += run.count;
    } else {
        runs.push_back(run);
    }
}

}  // namespace

ReleaseOutcome Ledger::release(const ReleaseEvent& event)
{
    if (event.whole) {
        return release_object(event);
    }
    ReleaseOutcome outcome;
    std::vector<Extent> taken;
    outcome.unmatched_pages = take_runs(event, taken);
    unmatched_releases_ += outcome.unmatched_pages;
    std::sort(taken.begin(), taken.end(), [](const Extent& left, const Extent& right) {
        return std::tie(left.pin, left.position) < std::tie(right.pin, right.position);
    });
    for (auto first = taken.begin(); first != taken.end();) {
        const PinId id = first->pin;
        const auto end = std::find_if(first, taken.end(), [&](const Extent& extent) { return extent.pin != id; });
        PinRecord& pin = pins_.at(id);
        // The pages of an object's pins were never counted.
        if (pin.scope.object == 0) {
            std::for_each(first, end, [&](const Extent& part) { append(outcome.let_go, {part.first, part.count}); });
        }
        const ReleaseRule rule = rule_for(event, pin, std::span(first, end));
        pin.coalesced = pin.coalesced || (event.making && rule == ReleaseRule::kObject);
        outcome.released.push_back(let_go(id, std::span(first, end)));
        outcome.released.back().rule = rule;
        first = end;
    }
    return outcome;
}

ReleaseOutcome Ledger::release_object(const ReleaseEvent& event)
{
    ReleaseOutcome outcome;
    const auto found = by_object_.find(event.scope.object);
    if (found == by_object_.end()) {
        return outcome;
    }
    const auto pins = found->second;
    for (const PinId id : pins) {
        outcome.released.push_back(let_go_whole(id));
        outcome.released.back().rule = ReleaseRule::kObject;
    }
    return outcome;
}

// A pin for an object. Nothing of it is left, whether it was listed or not.
Released Ledger::let_go_whole(PinId id)
{
    auto& [pin, detail] = pins_.entry(id);
    Released released;
    released.pin = id;
    released.fully = true;
    released.bytes = pin.bytes;
    detail.object_pages.sort();
    PageNumber done = 0;
    detail.object_pages.visit([&](PageRun run) {
        if (const PageNumber end = run.first + run.count; end > done) {
            const PageNumber first = std::max(run.first, done);
            done = extents_.remove_all_of(id, {first, end - first}, released.pages);
        }
    });
    released.record = drop(id);
    return released;
}

// What told, once `parts` are out of the index: who else could have been meant is still in it.
ReleaseRule Ledger::rule_for(const ReleaseEvent& event, const PinRecord& pin, std::span<const Extent> parts)
{
    if (event.repair) {
        return ReleaseRule::kRepair;
    }
    const std::uint32_t rank = release_rank(event, pin);
    if (rank == 0) {
        return ReleaseRule::kObject;
    }
    ReleaseRule rule = ReleaseRule::kOnlyHolder;
    for (const Extent& part : parts) {
        bool equal = false;
        extents_.visit({part.first, part.count}, [&](const Extent& other) {
            const std::uint32_t others =
                other.pin == pin.id ? ExtentIndex::kNever : release_rank(event, pins_.at(other.pin));
            if (others != ExtentIndex::kNever && rule == ReleaseRule::kOnlyHolder) {
                rule = ReleaseRule::kAddressSpace;
            }
            equal = equal || others == rank;
            return !equal;
        });
        if (equal) {
            rule = ReleaseRule::kOldest;
            ambiguous_releases_ += part.count;
        }
    }
    return rule;
}

// The only pin of the object that is let go, which is meant then before all others; 0: there is none, or not one alone.
PinId Ledger::only_pin_of(const ReleaseEvent& event) const
{
    if (event.scope.object == 0 || event.repair) {
        return 0;
    }
    const auto found = by_object_.find(event.scope.object);
    return found == by_object_.end() || found->second.size() != 1 ? 0 : *found->second.begin();
}

std::uint64_t Ledger::take_runs(const ReleaseEvent& event, std::vector<Extent>& taken)
{
    const PinId only = only_pin_of(event);
    std::vector<PageRun> without;
    // One pin's pages mostly come together.
    PinId last = 0;
    std::uint32_t rank_of_last = ExtentIndex::kNever;
    const auto rank = [&](PinId id) {
        if (id != last) {
            last = id;
            rank_of_last = release_rank(event, pins_.at(id));
        }
        return rank_of_last;
    };
    std::uint64_t missing = 0;
    for (std::size_t i = 0; i < event.runs.size(); ++i) {
        const PageRun& run = event.runs[i];
        if (i + ExtentIndex::kAhead < event.runs.size()) {
            extents_.prefetch(event.runs[i + ExtentIndex::kAhead].first);
        }
        // Nobody else has to be asked first, and where very many hold the same pages that takes long.
        const bool at_once = only != 0 && extents_.crowded(run.first);
        if (event.span > 0) {
            const PageRun left{run.first, at_once ? run.count - take_anywhere_of(only, event, run, taken) : run.count};
            missing += left.count == 0 ? 0 : take_anywhere(event, left, event.span, taken);
            continue;
        }
        if (at_once) {
            without.clear();
            extents_.remove_once(only, run, taken, without);
            for (const PageRun& other : without) {
                missing += extents_.remove(other, rank, taken);
            }
            continue;
        }
        missing += extents_.remove(run, rank, taken);
    }
    return missing;
}

// Returns how many pages those were.
std::uint64_t Ledger::take_anywhere_of(PinId id, const ReleaseEvent& event, PageRun run, std::vector<Extent>& taken)
{
    std::uint64_t count = 0;
    if (event.named) {
        count = extents_.remove_of(id, {*event.named, 1}, 1, taken);
    }
    return count + extents_.remove_of(id, {run.first, event.span}, run.count - count, taken);
}

std::uint64_t Ledger::take_anywhere(const ReleaseEvent& event, PageRun run, std::uint64_t span,
                                    std::vector<Extent>& taken)
{
    const PageRun folio{run.first, span};
    absl::flat_hash_map<PinId, std::uint64_t> held;
    extents_.visit(folio, [&](const Extent& extent) {
        std::uint64_t& pages = held[extent.pin];
        pages += extent.count;
        return event.named || pages < run.count || release_rank(event, pins_.at(extent.pin)) != 0;
    });
    // On a tie, who has the page that was named; then who has enough; then the oldest.
    std::vector<PinId> naming;
    if (event.named) {
        naming = holders({*event.named, 1});
    }
    std::vector<std::tuple<std::uint32_t, bool, bool, PinId>> order;
    order.reserve(held.size());
    for (const auto& [id, pages] : held) {
        if (const std::uint32_t rank = release_rank(event, pins_.at(id)); rank != ExtentIndex::kNever) {
            const bool named = std::binary_search(naming.begin(), naming.end(), id);
            order.emplace_back(rank, !named, pages < run.count, id);
        }
    }
    std::sort(order.begin(), order.end());
    std::uint64_t left = run.count;
    for (auto next = order.begin(); next != order.end() && left > 0; ++next) {
        const PinId id = std::get<PinId>(*next);
        if (event.named && !std::get<1>(*next)) {
            left -= extents_.remove_of(id, {*event.named, 1}, 1, taken);
        }
        left -= extents_.remove_of(id, folio, left, taken);
    }
    return left;
}

}  // namespace pinwarden
