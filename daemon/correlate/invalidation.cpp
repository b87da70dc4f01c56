#include "correlate/invalidation.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <tuple>

namespace pinwarden {

std::string_view to_string(pw_invalidation_kind operation)
{
    switch (operation) {
        case PW_INVALIDATION_MUNMAP: return "munmap";
        case PW_INVALIDATION_MMAP_FIXED: return "mmap_fixed";
        case PW_INVALIDATION_MREMAP: return "mremap";
        case PW_INVALIDATION_MADV_DONTNEED: return "madv_dontneed";
        case PW_INVALIDATION_MADV_GUARD: return "madv_guard";
        case PW_INVALIDATION_NOTIFIER_UNMAP:
        case PW_INVALIDATION_NOTIFIER_CLEAR: return "invalidate";
        case PW_INVALIDATION_KINDS: break;
    }
    return "unknown";
}

std::optional<InvalidationConflict> correlate(const Ledger& ledger, const InvalidationEvent& event,
                                              const InvalidationOutcome& outcome)
{
    InvalidationConflict conflict;
    conflict.event = event;
    conflict.range = outcome.range;
    for (const MetPin& met : outcome.met) {
        if (const PinRecord* pin = ledger.find(met.pin)) {
            conflict.pins.push_back(*pin);
            conflict.bytes += met.pages << PW_PAGE_SHIFT;
        }
    }
    if (conflict.pins.empty()) {
        return std::nullopt;
    }
    std::ranges::sort(conflict.pins, {}, [](const PinRecord& pin) { return std::tuple(pin.acquired, pin.id); });
    return conflict;
}

std::string explain(const InvalidationConflict& conflict)
{
    switch (conflict.event.operation) {
        case PW_INVALIDATION_MUNMAP: return "the process no longer maps pages that stay pinned";
        case PW_INVALIDATION_MMAP_FIXED: return "the process mapped something else over pages that stay pinned";
        case PW_INVALIDATION_MREMAP:
            return conflict.event.moved_to.bytes > 0 && conflict.range == conflict.event.range
                       ? "the pinned pages are mapped at another address now"
                       : "the process no longer maps pages that stay pinned";
        case PW_INVALIDATION_MADV_DONTNEED:
        case PW_INVALIDATION_MADV_GUARD:
            return "the process dropped pages that stay pinned; it finds others there from now on";
        case PW_INVALIDATION_NOTIFIER_UNMAP: return "the kernel unmapped pages that stay pinned";
        case PW_INVALIDATION_NOTIFIER_CLEAR: return "the kernel took pages that stay pinned out of their mapping";
        case PW_INVALIDATION_KINDS: break;
    }
    return "pages that stay pinned lost their addresses";
}

}  // namespace pinwarden
