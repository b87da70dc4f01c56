#include "ledger/live_positions.h"

#include <algorithm>
#include <iterator>

namespace pinwarden {

LivePositions::LivePositions(std::uint64_t count) : count_(count)
{
    if (count > 0) {
        intervals_.emplace(0, count);
    }
}

void LivePositions::remove(std::uint64_t first, std::uint64_t count)
{
    const std::uint64_t end = first + count;
    auto at = intervals_.upper_bound(first);
    if (at != intervals_.begin() && std::prev(at)->second > first) {
        --at;
    }
    while (at != intervals_.end() && at->first < end) {
        const auto [start, stop] = *at;
        count_ -= std::min(stop, end) - std::max(start, first);
        if (start < first) {
            at->second = first;
            ++at;
        } else {
            at = intervals_.erase(at);
        }
        if (stop > end) {
            intervals_.emplace(end, stop);
            return;
        }
    }
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> LivePositions::bounds(std::uint64_t first,
                                                                             std::uint64_t end) const
{
    auto low = intervals_.upper_bound(first);
    if (low != intervals_.begin() && std::prev(low)->second > first) {
        --low;
    }
    if (low == intervals_.end() || low->first >= end) {
        return std::nullopt;
    }
    const auto high = std::prev(intervals_.lower_bound(end));
    return std::pair(std::max(low->first, first), std::min(high->second, end));
}

std::uint64_t LivePositions::count_within(std::uint64_t first, std::uint64_t end) const
{
    auto at = intervals_.upper_bound(first);
    if (at != intervals_.begin() && std::prev(at)->second > first) {
        --at;
    }
    std::uint64_t count = 0;
    for (; at != intervals_.end() && at->first < end; ++at) {
        count += std::min(at->second, end) - std::max(at->first, first);
    }
    return count;
}

}  // namespace pinwarden
