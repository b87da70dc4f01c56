// Whose pins a release lets go. A page may be pinned by several, and the kernel says only that one pin of it goes.
//
// The driver's own functions tell which object is let go, for the drivers that are followed (bpf/scope_*.bpf.c): then
// the pin made for that object is meant, and no other. A pin made for such an object is never meant by a release that
// happens outside of them: that is a brief pin's, of a read or write under way on the same page. What remains goes by
// address space, brief pins before long ones (a long one then stays known too long rather than too short), then by age.
#pragma once

#include <cstdint>

#include "ledger/records.h"

namespace pinwarden {

// Less is meant rather; 0: for certain; ExtentIndex::kNever: not at all.
std::uint32_t release_rank(const ReleaseEvent& event, const PinRecord& pin);

}  // namespace pinwarden
