// Ledger × invalidation → conflict.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decode/event.h"
#include "ledger/ledger.h"

namespace pinwarden {

// "munmap", "mmap_fixed", "mremap", "madv_dontneed", "madv_guard"; "invalidate" for what mmu notifiers
// were told.
std::string_view to_string(pw_invalidation_kind operation);

// Addresses lost pages that are pinned, and stay so. Nothing could have stopped it: the verdict is always allow.
struct InvalidationConflict {
    InvalidationEvent event;
    AddressRange range;           // the part of the call that met pins
    std::vector<PinRecord> pins;  // as they are, oldest first; never empty
    std::uint64_t bytes = 0;      // of these pins in the range
};

// Nothing when the invalidation met no pin. `outcome` is what the ledger made of it.
std::optional<InvalidationConflict> correlate(const Ledger& ledger, const InvalidationEvent& event,
                                              const InvalidationOutcome& outcome);

// One sentence: what the owner and the device have in common no longer.
std::string explain(const InvalidationConflict& conflict);

}  // namespace pinwarden
