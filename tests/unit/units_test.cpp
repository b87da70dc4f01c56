#include "policy/units.h"

#include <catch2/catch.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "policy/suggest.h"

namespace pinwarden {

TEST_CASE("sizes are bytes, or have a binary unit", "[policy]")
{
    const std::vector<std::pair<std::string, std::uint64_t>> table = {
        {"0", 0},
        {"4096", 4096},
        {"64KiB", 65536},
        {"1MiB", 1ULL << 20U},
        {"2GiB", 2ULL << 30U},
        {"1TiB", 1ULL << 40U},
        {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()},
        {"16777215TiB", 16777215ULL << 40U},
    };
    for (const auto& [text, bytes] : table) {
        INFO(text);
        CHECK(parse_size(text).value() == bytes);
    }
}

TEST_CASE("bad sizes are refused with the units there are", "[policy]")
{
    const std::vector<std::pair<std::string, std::string>> table = {
        {"12 MB", "is not a size"},      {"12MB", "is not a size"},
        {"1.5GiB", "is not a size"},     {"-1", "is negative"},
        {"", "is not a size"},           {"MiB", "is not a size"},
        {"0x10", "is not a size"},       {"1mib", "is not a size"},
        {"16777216TiB", "is too large"}, {"18446744073709551616", "is too large"},
        {"+1", "is not a size"},
    };
    for (const auto& [text, what] : table) {
        INFO(text);
        const auto parsed = parse_size(text);
        REQUIRE_FALSE(parsed);
        CHECK_THAT(parsed.error().message, Catch::Contains(what));
        CHECK_THAT(parsed.error().message, Catch::Contains("KiB, MiB, GiB or TiB"));
    }
}

TEST_CASE("durations have a unit", "[policy]")
{
    const std::vector<std::pair<std::string, Nanoseconds>> table = {
        {"0s", 0},
        {"500ms", 500'000'000},
        {"5s", 5'000'000'000},
        {"2m", 120'000'000'000},
        {"1h", 3600'000'000'000},
        {"7us", 7000},
        {"3ns", 3},
    };
    for (const auto& [text, duration] : table) {
        INFO(text);
        CHECK(parse_duration(text).value() == duration);
    }
    for (const char* bad : {"5", "0", "5 s", "1.5s", "-5s", "5sec", "s", "", "9999999h", "1d"}) {
        INFO(bad);
        const auto parsed = parse_duration(bad);
        REQUIRE_FALSE(parsed);
        CHECK_THAT(parsed.error().message, Catch::Contains("500ms, 5s, 2m, 1h"));
    }
    CHECK_THAT(parse_duration("5").error().message, Catch::StartsWith("\"5\" lacks a unit"));
}

TEST_CASE("what is formatted reads back", "[policy]")
{
    CHECK(format_size(0) == "0");
    CHECK(format_size(4096) == "4KiB");
    CHECK(format_size(4097) == "4097");
    CHECK(format_size(1ULL << 50U) == "1024TiB");
    CHECK(format_duration(0) == "0ns");
    CHECK(format_duration(90'000'000'000) == "90s");
    CHECK(format_duration(120'000'000'000) == "2m");
    for (const std::uint64_t value : {0ULL, 1ULL, 1000ULL, 1024ULL, 65536ULL, 3600'000'000'000ULL, ~0ULL}) {
        CHECK(parse_size(format_size(value)).value() == value);
        CHECK(parse_duration(format_duration(value)).value() == value);
    }
}

TEST_CASE("a slip finds the word that was meant", "[policy]")
{
    const std::vector<std::string> words = {"path_prefixes", "filesystems", "mode"};
    CHECK(nearest("path_prefix", words) == "path_prefixes");
    CHECK(nearest("Filesystems", words) == "filesystems");
    CHECK(nearest("modd", words) == "mode");
    CHECK(nearest("xyz", words).empty());
    CHECK(nearest(std::string(100000, 'x'), words).empty());
    CHECK(shorten(std::string(80, 'x')) == std::string(80, 'x'));
    CHECK(shorten(std::string(79, 'x') + "\xc3\xa4") == std::string(79, 'x') + "...");
}

}  // namespace pinwarden
