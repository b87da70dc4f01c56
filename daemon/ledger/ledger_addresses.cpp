// The ledger's part that knows at which addresses pinned pages are mapped.
#include <pinwarden/overlap.h>

#include <absl/container/btree_map.h>

#include <algorithm>

#include "ledger/ledger.h"

namespace pinwarden {
namespace {

// Whether the mapping stays, so that the next access finds a file's page again.
bool mapping_stays(pw_invalidation_kind operation)
{
    return operation == PW_INVALIDATION_MADV_DONTNEED || operation == PW_INVALIDATION_MADV_GUARD ||
           operation == PW_INVALIDATION_NOTIFIER_CLEAR;
}

std::uint64_t page_of(std::uint64_t address)
{
    return address >> PW_PAGE_SHIFT;
}

}  // namespace

void Ledger::map(std::uint64_t space, const PinRecord& pin)
{
    // The addresses of the others are not a process's.
    if (space != 0 && pin.function != PW_MEMFD_PIN_FOLIOS && pin.function != PW_ADOPTED_FOLIO) {
        addresses_.insert(space, {page_of(pin.address), pin.pinned_pages, pin.id, 0});
    }
}

InvalidationOutcome Ledger::invalidate(const InvalidationEvent& event)
{
    InvalidationOutcome outcome;
    const std::uint64_t replaced = unmap(event, event.replaced, outcome);
    const std::uint64_t unmapped = unmap(event, event.range, outcome);
    outcome.range = unmapped == 0 && replaced > 0 ? event.replaced : event.range;
    absl::btree_map<PinId, std::uint64_t> by_pin;
    for (const MetPin& one : outcome.met) {
        by_pin[one.pin] += one.pages;
    }
    outcome.met.clear();
    for (const auto& [pin, pages] : by_pin) {
        outcome.met.push_back({pin, pages});
    }
    return outcome;
}

// Takes what is mapped on the range out of the index, puts what was moved where it is now, and adds what was pinned to
// the outcome. Returns how many pages that are.
std::uint64_t Ledger::unmap(const InvalidationEvent& event, AddressRange range, InvalidationOutcome& outcome)
{
    std::vector<MappedPages> taken = addresses_.take(event.space, page_of(range.first), page_of(range.bytes));
    if (mapping_stays(event.operation)) {
        std::vector<MappedPages> dropped;
        for (const MappedPages& mapped : taken) {
            const auto parts = keep_file_pages(event.space, mapped);
            dropped.insert(dropped.end(), parts.begin(), parts.end());
        }
        taken = std::move(dropped);
    }
    const std::uint64_t moved = range == event.range ? page_of(event.moved_to.bytes) : 0;
    std::uint64_t met = 0;
    for (MappedPages mapped : taken) {
        const std::uint64_t end = mapped.position + mapped.pages;
        if (const std::uint64_t pages = pins_.detail(mapped.pin).live.count_within(mapped.position, end); pages > 0) {
            outcome.met.push_back({mapped.pin, pages});
            met += pages;
        }
        if (const std::uint64_t offset = mapped.first - page_of(range.first); offset < moved) {
            mapped.first = page_of(event.moved_to.first) + offset;
            mapped.pages = std::min(mapped.pages, moved - offset);
            addresses_.insert(event.space, mapped);
        }
    }
    return met;
}

// Puts the pages that are a file's back into the index; returns the others.
std::vector<MappedPages> Ledger::keep_file_pages(std::uint64_t space, const MappedPages& mapped)
{
    std::vector<MappedPages> others;
    const std::uint64_t end = mapped.position + mapped.pages;
    const auto part = [&](std::uint64_t from, std::uint64_t to) {
        return MappedPages{mapped.first + (from - mapped.position), to - from, mapped.pin, from};
    };
    std::uint64_t at = mapped.position;
    for (const PinnedFileRange& range : pins_.at(mapped.pin).ranges) {
        const std::uint64_t from = std::max(range.position, at);
        const std::uint64_t to = std::min(range.position + range.pages, end);
        if (from >= to) {
            continue;
        }
        if (at < from) {
            others.push_back(part(at, from));
        }
        addresses_.insert(space, part(from, to));
        at = to;
    }
    if (at < end) {
        others.push_back(part(at, end));
    }
    return others;
}

}  // namespace pinwarden
