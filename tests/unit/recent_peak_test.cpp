#include "base/recent_peak.h"

#include <catch2/catch.hpp>

using namespace pinwarden;

TEST_CASE("the most of the last half minute to minute is known, and forgotten then", "[base]")
{
    constexpr Nanoseconds kSecond = 1'000'000'000;
    RecentPeak peak;
    CHECK(peak.value(0) == 0);
    peak.observe(100 * kSecond, 7);
    peak.observe(101 * kSecond, 3);
    CHECK(peak.value(101 * kSecond) == 7);
    // 90 to 120, then 120 to 150.
    CHECK(peak.value(149 * kSecond) == 7);
    CHECK(peak.value(150 * kSecond) == 0);
    peak.observe(121 * kSecond, 4);
    CHECK(peak.value(121 * kSecond) == 7);
    CHECK(peak.value(150 * kSecond) == 4);
    peak.observe(500 * kSecond, 1);
    CHECK(peak.value(500 * kSecond) == 1);
}
