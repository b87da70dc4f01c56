// How long something took, in buckets.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace pinwarden {

struct Histogram {
    // Upper bounds in seconds, ascending, which must outlive it; a last bucket has no bound.
    explicit Histogram(std::span<const double> upper_bounds) : bounds(upper_bounds), counts(upper_bounds.size() + 1) {}

    std::span<const double> bounds;
    std::vector<std::uint64_t> counts;
    double sum = 0;  // seconds

    void observe(Nanoseconds time)
    {
        constexpr double kSecond = 1e9;
        const double seconds = static_cast<double>(time) / kSecond;
        const auto bucket = std::ranges::lower_bound(bounds, seconds) - bounds.begin();
        ++counts[static_cast<std::size_t>(bucket)];
        sum += seconds;
    }
};

}  // namespace pinwarden
