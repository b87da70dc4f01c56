// Blocks of pages, by which the index of extents is ordered.
#pragma once

#include <pinwarden/abi.h>

#include <algorithm>
#include <cstdint>

#include "ledger/records.h"

namespace pinwarden {

inline constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;
inline constexpr std::uint64_t kNoBlock = UINT64_MAX;

inline PageNumber end_of(PageRun run)
{
    return run.first + run.count;
}

// The part of the run from page `from` to the next block border.
inline PageRun within_block(PageRun run, PageNumber from)
{
    return {from, std::min(kBlockPages - from % kBlockPages, end_of(run) - from)};
}

}  // namespace pinwarden
