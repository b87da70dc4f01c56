#include "ledger/attribution.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ledger/extent_index.h"

namespace pinwarden {
namespace {

// What a driver pins for, of those whose objects are followed. Tells where the object itself is not known: it is older
// than the daemon, or than the moment its module's functions could be followed.
constexpr std::array kDriverKinds = {
    std::pair(std::string_view("io_uring"), PW_SCOPE_IO_URING_BUFFER),
    std::pair(std::string_view("vfio"), PW_SCOPE_VFIO_MAPPING),
    std::pair(std::string_view("xdp"), PW_SCOPE_XDP_UMEM),
    std::pair(std::string_view("rdma_rxe"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("siw"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("ib_uverbs"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("mlx4_ib"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("mlx5_ib"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("irdma"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("bnxt_re"), PW_SCOPE_RDMA_REGION),
    std::pair(std::string_view("efa"), PW_SCOPE_RDMA_REGION),
};

pw_scope_kind kind_of(const PinRecord& pin)
{
    if (pin.scope.kind != PW_SCOPE_NONE) {
        return pin.scope.kind;
    }
    const auto* const found =
        std::ranges::find(kDriverKinds, pin.driver, [](const auto& entry) { return entry.first; });
    return found == kDriverKinds.end() ? PW_SCOPE_NONE : found->second;
}

}  // namespace

std::uint32_t release_rank(const ReleaseEvent& event, const PinRecord& pin)
{
    constexpr std::uint32_t kSameKind = 1;
    constexpr std::uint32_t kOtherwise = 3;
    constexpr std::uint32_t kOtherAddressSpace = 2;
    constexpr std::uint32_t kLongTerm = 1;
    const bool same_address_space = pin.mm == event.mm;

    if (event.only != 0) {
        return pin.id == event.only ? 0 : ExtentIndex::kNever;
    }
    if (event.repair && event.unheard && pin.scope.object != 0) {
        return 4;
    }
    if (event.repair) {
        // What is brief is rather gone than what was pinned for long, and what belongs to nobody for certain rather
        // than to somebody.
        if (!pin.shown()) {
            return 1;
        }
        return pin.owner_exited || pin.owner.process.pid == 0 || pin.inferred ? 2 : 3;
    }
    if (event.scope.kind == PW_SCOPE_NONE) {
        if (pin.scope.object != 0) {
            return ExtentIndex::kNever;
        }
    } else {
        // What such an object holds is long-term, and its own.
        const pw_scope_kind kind = kind_of(pin);
        if (!pin.long_term || (kind != PW_SCOPE_NONE && kind != event.scope.kind)) {
            return ExtentIndex::kNever;
        }
        if (event.scope.object != 0 && pin.scope.object != 0) {
            return pin.scope == event.scope ? 0 : ExtentIndex::kNever;
        }
        if (kind == event.scope.kind) {
            return kSameKind + (same_address_space ? 0 : 1);
        }
    }
    return kOtherwise + (same_address_space ? 0 : kOtherAddressSpace) + (pin.long_term ? kLongTerm : 0);
}

}  // namespace pinwarden
