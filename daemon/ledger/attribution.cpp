#include "ledger/attribution.h"

#include "ledger/extent_index.h"

namespace pinwarden {

std::uint32_t release_rank(const ReleaseEvent& event, const PinRecord& pin)
{
    constexpr std::uint32_t kSameKind = 1;
    constexpr std::uint32_t kOtherwise = 2;
    constexpr std::uint32_t kOtherAddressSpace = 2;
    constexpr std::uint32_t kLongTerm = 1;

    if (event.only != 0) {
        return pin.id == event.only ? 0 : ExtentIndex::kNever;
    }
    if (event.repair) {
        // What is brief is rather gone than what was pinned for long, and what belongs to nobody rather than to
        // somebody.
        return pin.long_term ? (pin.owner_exited || pin.owner.process.pid == 0 ? 2 : 3) : 1;
    }
    if (event.scope.kind == PW_SCOPE_NONE) {
        if (pin.scope.object != 0) {
            return ExtentIndex::kNever;
        }
    } else {
        // What such an object holds is long-term, and its own.
        if (!pin.long_term || (pin.scope.kind != PW_SCOPE_NONE && pin.scope.kind != event.scope.kind)) {
            return ExtentIndex::kNever;
        }
        if (event.scope.object != 0 && pin.scope.object != 0) {
            return pin.scope == event.scope ? 0 : ExtentIndex::kNever;
        }
        if (pin.scope.kind == event.scope.kind) {
            return kSameKind;
        }
    }
    return kOtherwise + (pin.mm == event.mm ? 0 : kOtherAddressSpace) + (pin.long_term ? kLongTerm : 0);
}

}  // namespace pinwarden
