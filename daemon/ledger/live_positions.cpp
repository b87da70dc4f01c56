#include "ledger/live_positions.h"

#include <algorithm>
#include <iterator>

namespace pinwarden {
namespace {

// An interval takes 16 bytes, in a tree of which a half to all is full; bits take size / 8. Apart, so that a pin does
// not change to and fro.
constexpr std::uint64_t kBitsFrom = 128;  // positions for an interval
constexpr std::uint64_t kIntervalsFrom = 192;
// Not worth it for fewer intervals.
constexpr std::uint64_t kFew = 8;

}  // namespace

LivePositions::LivePositions(std::uint64_t count) : size_(count), count_(count)
{
    if (count > 0) {
        intervals_.emplace(0, count);
    }
}

// The interval that holds the position, else the first one behind it.
LivePositions::Intervals::const_iterator LivePositions::first_behind(std::uint64_t position) const
{
    const auto at = intervals_.upper_bound(position);
    return at != intervals_.begin() && std::prev(at)->second > position ? std::prev(at) : at;
}

void LivePositions::remove(std::uint64_t first, std::uint64_t count)
{
    const std::uint64_t end = first + count;
    if (bits_) {
        remove_bits(first, end);
        if (bit_intervals_ < kFew || bit_intervals_ < size_ / kIntervalsFrom) {
            become_intervals();
        }
        return;
    }
    remove_intervals(first, end);
    if (intervals_.size() > kFew && intervals_.size() > size_ / kBitsFrom) {
        become_bits();
    }
}

void LivePositions::remove_intervals(std::uint64_t first, std::uint64_t end)
{
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

void LivePositions::remove_bits(std::uint64_t first, std::uint64_t end)
{
    // One that begins right behind what is removed began before.
    bit_intervals_ -= bits_->intervals(first, end + 1);
    count_ -= bits_->remove(first, end);
    bit_intervals_ += bits_->intervals(end, end + 1);
}

void LivePositions::become_bits()
{
    bits_ = std::make_unique<PositionBits>(size_);
    for (const auto& [start, stop] : intervals_) {
        bits_->insert(start, stop);
    }
    bit_intervals_ = intervals_.size();
    intervals_.clear();
}

void LivePositions::become_intervals()
{
    for (auto start = bits_->next(0); start;) {
        const std::uint64_t stop = bits_->next_gap(*start);
        intervals_.emplace_hint(intervals_.end(), *start, stop);
        start = bits_->next(stop);
    }
    bits_.reset();
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> LivePositions::bounds(std::uint64_t first,
                                                                             std::uint64_t end) const
{
    if (bits_) {
        const auto low = bits_->next(first);
        if (!low || *low >= end) {
            return std::nullopt;
        }
        return std::pair(*low, *bits_->last_before(end) + 1);
    }
    const auto low = first_behind(first);
    if (low == intervals_.end() || low->first >= end) {
        return std::nullopt;
    }
    const auto high = std::prev(intervals_.lower_bound(end));
    return std::pair(std::max(low->first, first), std::min(high->second, end));
}

std::uint64_t LivePositions::count_within(std::uint64_t first, std::uint64_t end) const
{
    if (bits_) {
        return bits_->count(first, end);
    }
    std::uint64_t count = 0;
    for (auto at = first_behind(first); at != intervals_.end() && at->first < end; ++at) {
        count += std::min(at->second, end) - std::max(at->first, first);
    }
    return count;
}

}  // namespace pinwarden
