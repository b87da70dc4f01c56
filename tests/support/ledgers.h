// Ledgers in a given state, and short ways to look at one.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ledger/ledger.h"
#include "support/records.h"

namespace pinwarden::test {

inline constexpr FileKey kOther{43, 8U << 20U | 1U, 9};
inline constexpr std::uint64_t kOtherMm = 0x2000;

using Pages = std::pair<std::uint64_t, std::uint64_t>;

// A pin of `pages` pages from page `first` on, listed, without a file.
inline void acquire(Ledger& ledger, PinId id, PageNumber first, std::uint64_t pages, std::uint64_t mm = kMm,
                    bool long_term = true)
{
    ledger.pin(pin_event(id, pages, mm, long_term), "rdma_rxe");
    ledger.pages(pages_event(id, {{first, pages}}));
}

// The same, on pages file_page .. of kFile.
inline void acquire_file(Ledger& ledger, PinId id, PageNumber first, std::uint64_t pages, std::uint64_t sequence,
                         std::uint64_t file_page)
{
    ledger.pin(pin_event(id, pages), "rdma_rxe");
    ledger.range(range_event(id, sequence, file_page, pages));
    ledger.pages(pages_event(id, {{first, pages}}));
}

inline std::vector<PinId> ids(const std::vector<const PinRecord*>& pins)
{
    std::vector<PinId> ids;
    for (const PinRecord* pin : pins) {
        ids.push_back(pin->id);
    }
    return ids;
}

inline std::vector<PinId> known(const Ledger& ledger)
{
    std::vector<PinId> ids;
    for (const auto& [id, pin] : ledger.pins()) {
        ids.push_back(id);
    }
    return ids;
}

inline Pages pages_of(const FileState& state)
{
    return {state.first_page, state.end_page};
}

}  // namespace pinwarden::test
