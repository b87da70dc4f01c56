// How long something took, in buckets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace pinwarden {

struct Histogram {
    // Upper bounds in seconds; a last bucket has no bound.
    static constexpr std::array<double, 10> kBounds{0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300};

    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;  // seconds

    void observe(Nanoseconds time)
    {
        constexpr double kSecond = 1e9;
        const double seconds = static_cast<double>(time) / kSecond;
        std::size_t bucket = 0;
        while (bucket < kBounds.size() && seconds > kBounds.at(bucket)) {
            ++bucket;
        }
        ++counts.at(bucket);
        sum += seconds;
    }
};

}  // namespace pinwarden
