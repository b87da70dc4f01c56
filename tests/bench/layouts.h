// How pinned pages lie in memory, as extents to feed to an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ledger/extent_index.h"

namespace pinwarden::bench {

enum class Layout {
    kContiguous,  // pins of 512 consecutive pages, side by side: hugepages, fresh memory
    kRuns,        // runs of 16 pages, in random order, pages apart
    kLone,        // single pages in random order, none with another in its block of 64
    kCrowded,     // single pages in random order, every second page of memory
};

std::string_view to_string(Layout layout);

// As a driver's calls would list them: pins of 512 pages, whose runs come in the order of their positions. Contiguous
// runs are 512 pages long, which the index keeps as 8 extents; all others are one extent each. The same seed gives the
// same extents.
std::vector<Extent> runs(Layout layout, std::size_t extents, std::uint64_t seed);

}  // namespace pinwarden::bench
