#include "ledger/extent_index.h"

#include <rapidcheck.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <set>

using namespace pinwarden;

namespace {

// One page of one pin, at one of its positions.
struct Holding {
    PageNumber page;
    std::uint64_t pin;
    std::uint64_t position;

    auto operator<=>(const Holding&) const = default;
};

using Holdings = std::set<Holding>;

constexpr PageRun kEverywhere{0, 1 << 20};

std::uint32_t no_preference(std::uint64_t)
{
    return 0;
}

void add(Holdings& holdings, const Extent& extent)
{
    for (std::uint64_t i = 0; i < extent.count; ++i) {
        holdings.insert({extent.first + i, extent.pin, extent.position + i});
    }
}

Holdings contents(const ExtentIndex& index, PageRun within = kEverywhere)
{
    Holdings holdings;
    index.visit(within, [&](const Extent& extent) {
        add(holdings, extent);
        return true;
    });
    return holdings;
}

std::uint64_t pages_of(const std::vector<Extent>& extents)
{
    return std::accumulate(extents.begin(), extents.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Extent& extent) { return sum + extent.count; });
}

}  // namespace

TEST_CASE("an extent is split at block borders", "[extent_index]")
{
    ExtentIndex index;
    index.insert({60, 72, 1, 0});
    CHECK(index.blocks() == 3);
    CHECK(index.extents() == 3);
    std::vector<Extent> seen;
    index.visit(kEverywhere, [&](const Extent& extent) {
        seen.push_back(extent);
        return true;
    });
    CHECK(seen == std::vector<Extent>{{60, 4, 1, 0}, {64, 64, 1, 4}, {128, 4, 1, 68}});
}

TEST_CASE("extents merge when pages and positions are consecutive", "[extent_index]")
{
    struct Row {
        const char* what;
        std::vector<Extent> inserted;
        std::size_t extents;
    };
    const std::vector<Row> rows = {
        {"after", {{0, 2, 1, 0}, {2, 2, 1, 2}}, 1},
        {"before", {{2, 2, 1, 2}, {0, 2, 1, 0}}, 1},
        {"between", {{0, 2, 1, 0}, {4, 2, 1, 4}, {2, 2, 1, 2}}, 1},
        {"position apart", {{0, 2, 1, 0}, {2, 2, 1, 3}}, 2},
        {"page apart", {{0, 2, 1, 0}, {3, 2, 1, 2}}, 2},
        {"other pin", {{0, 2, 1, 0}, {2, 2, 2, 2}}, 2},
        {"descending pages", {{3, 1, 1, 0}, {2, 1, 1, 1}, {1, 1, 1, 2}}, 3},
        {"across a border", {{63, 1, 1, 0}, {64, 1, 1, 1}}, 2},
        {"nothing", {{0, 0, 1, 0}}, 0},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        ExtentIndex index;
        for (const Extent& extent : row.inserted) {
            index.insert(extent);
        }
        CHECK(index.extents() == row.extents);
    }
}

TEST_CASE("removing cuts extents exactly", "[extent_index]")
{
    struct Row {
        const char* what;
        PageRun removed;
        std::size_t extents;
        std::uint64_t missing;
    };
    const std::vector<Row> rows = {
        {"all", {10, 10}, 0, 0},        {"front", {10, 3}, 1, 0},         {"back", {17, 3}, 1, 0},
        {"middle", {14, 2}, 2, 0},      {"over the front", {8, 4}, 1, 2}, {"over the back", {18, 5}, 1, 3},
        {"over all", {0, 128}, 0, 118}, {"beside", {20, 4}, 1, 4},        {"nothing", {12, 0}, 1, 0},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        ExtentIndex index;
        index.insert({10, 10, 1, 5});
        std::vector<Extent> removed;
        CHECK(index.remove(row.removed, no_preference, removed) == row.missing);
        CHECK(index.extents() == row.extents);
        CHECK(pages_of(removed) == row.removed.count - row.missing);
        for (const Extent& extent : removed) {
            CHECK(extent.first + 5 == extent.position + 10);
        }
    }
}

TEST_CASE("what is removed across blocks is one extent again", "[extent_index]")
{
    ExtentIndex index;
    index.insert({0, 1000, 1, 0});
    std::vector<Extent> removed;
    CHECK(index.remove({0, 1000}, no_preference, removed) == 0);
    CHECK(removed == std::vector<Extent>{{0, 1000, 1, 0}});
    CHECK(index.blocks() == 0);
}

TEST_CASE("the pin of least rank gives up a shared page", "[extent_index]")
{
    ExtentIndex index;
    index.insert({0, 10, 1, 0});
    index.insert({4, 2, 2, 0});
    index.insert({5, 3, 3, 0});
    std::vector<Extent> removed;
    const auto rank = [](std::uint64_t pin) { return static_cast<std::uint32_t>(10 - pin); };
    index.remove({0, 10}, rank, removed);
    CHECK(removed == std::vector<Extent>{{0, 4, 1, 0}, {4, 1, 2, 0}, {5, 3, 3, 0}, {8, 2, 1, 8}});
}

TEST_CASE("a page held twice by one pin is given up once per release", "[extent_index]")
{
    ExtentIndex index;
    index.insert({7, 1, 1, 0});
    index.insert({7, 1, 1, 1});
    std::vector<Extent> removed;
    CHECK(index.remove({7, 1}, no_preference, removed) == 0);
    CHECK(index.remove({7, 1}, no_preference, removed) == 0);
    CHECK(index.remove({7, 1}, no_preference, removed) == 1);
    CHECK(removed == std::vector<Extent>{{7, 1, 1, 0}, {7, 1, 1, 1}});
}

TEST_CASE("a pin's lowest pages are taken first", "[extent_index]")
{
    ExtentIndex index;
    index.insert({70, 4, 1, 0});
    index.insert({65, 2, 1, 10});
    index.insert({64, 20, 2, 0});
    std::vector<Extent> removed;
    CHECK(index.remove_of(1, {64, 64}, 3, removed) == 3);
    CHECK(removed == std::vector<Extent>{{65, 2, 1, 10}, {70, 1, 1, 0}});
    CHECK(index.remove_of(1, {64, 64}, 100, removed) == 3);
    CHECK(index.remove_of(1, {64, 64}, 100, removed) == 0);
    CHECK(contents(index).size() == 20);
}

TEST_CASE("visiting cuts to what is asked for and can be stopped", "[extent_index]")
{
    ExtentIndex index;
    index.insert({0, 200, 1, 0});
    CHECK(contents(index, {100, 3}) == Holdings{{100, 1, 100}, {101, 1, 101}, {102, 1, 102}});
    int visits = 0;
    index.visit(kEverywhere, [&](const Extent&) { return ++visits < 2; });
    CHECK(visits == 2);
}
