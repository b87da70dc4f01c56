#include <pinwarden/overlap.h>

#include <catch2/catch.hpp>

TEST_CASE("a truncate takes the page it cuts and all behind it, up to the old size", "[overlap]")
{
    struct Case {
        const char* what;
        __u64 old_size, new_size, first, end;
    };
    const Case cases[] = {
        {"growing takes nothing", 4096, 8192, 0, 0},
        {"staying takes nothing", 4096, 4096, 0, 0},
        {"an empty file has nothing", 0, 0, 0, 0},
        {"to nothing takes all", 8192, 0, 0, 2},
        {"a last page that is partly used counts whole", 8193, 0, 0, 3},
        {"a page boundary is not cut", 8192, 4096, 1, 2},
        {"a page cut in the middle counts", 8192, 4095, 0, 2},
        {"one byte off a partly used page", 5000, 4999, 1, 2},
        {"sizes beyond 2^63 do not wrap", ~0ULL, 0, 0, 1ULL << 52},
    };
    for (const Case& one : cases) {
        INFO(one.what);
        const pw_page_range range = pw_truncated_pages(one.old_size, one.new_size);
        CHECK(range.first == one.first);
        CHECK(range.end == one.end);
    }
}

TEST_CASE("ranges overlap when they share a page", "[overlap]")
{
    CHECK(pw_overlaps(0, 2, 1, 3));
    CHECK(pw_overlaps(1, 3, 0, 2));
    CHECK(pw_overlaps(0, 10, 3, 4));
    CHECK_FALSE(pw_overlaps(0, 2, 2, 4));
    CHECK_FALSE(pw_overlaps(2, 2, 0, 4));
}
