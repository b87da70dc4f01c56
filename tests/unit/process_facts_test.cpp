#include "publish/process_facts.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace pinwarden;

TEST_CASE("a process knows what it uses, and that it started once", "[metrics]")
{
    const auto first = read_process_use();
    REQUIRE(first);
    CHECK(first->resident_bytes > 0);
    CHECK(first->virtual_bytes > first->resident_bytes);
    CHECK(first->open_fds > 0);
    CHECK(first->open_fds <= first->max_fds);
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    CHECK(first->start_time < now + 1);
    CHECK(first->start_time > now - 86'400);
    for (int i = 0; i < 1000; ++i) {
        const auto again = read_process_use();
        REQUIRE(again);
        // Exactly: whatever differs counts as a start.
        REQUIRE(again->start_time == first->start_time);
        CHECK(again->cpu_seconds >= first->cpu_seconds);
    }
}
