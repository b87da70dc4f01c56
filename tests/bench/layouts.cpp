#include "bench/layouts.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace pinwarden::bench {
namespace {

constexpr std::uint64_t kPinPages = 512;
constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

// Runs of `pages` in slots of `stride` pages.
struct Shape {
    std::uint64_t pages;
    std::uint64_t stride;
    bool shuffled;
};

Shape shape(Layout layout)
{
    switch (layout) {
        case Layout::kContiguous: return {kPinPages, kPinPages, false};
        case Layout::kRuns: return {16, 32, true};
        case Layout::kLone: return {1, kBlockPages, true};
        case Layout::kCrowded: return {1, 2, true};
    }
    return {};
}

}  // namespace

std::string_view to_string(Layout layout)
{
    switch (layout) {
        case Layout::kContiguous: return "contiguous";
        case Layout::kRuns: return "runs of 16";
        case Layout::kLone: return "single pages, far apart";
        case Layout::kCrowded: return "single pages, crowded";
    }
    return "";
}

std::vector<Extent> runs(Layout layout, std::size_t extents, std::uint64_t seed)
{
    const auto [pages, stride, shuffled] = shape(layout);
    const std::size_t count = std::max<std::size_t>(1, extents / std::max<std::size_t>(1, pages / kBlockPages));
    std::vector<std::uint64_t> slots(count);
    std::iota(slots.begin(), slots.end(), 0);
    if (shuffled) {
        std::shuffle(slots.begin(), slots.end(), std::mt19937_64(seed));
    }
    std::vector<Extent> runs;
    runs.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t position = i * pages;
        runs.push_back({slots[i] * stride, pages, position / kPinPages + 1, position % kPinPages});
    }
    return runs;
}

}  // namespace pinwarden::bench
