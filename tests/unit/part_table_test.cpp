// The table under the extent index against a sorted set, large enough that its groups split and join.
#include "ledger/part_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <set>
#include <span>
#include <tuple>
#include <vector>

using namespace pinwarden;

namespace {

constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

// Block, pin, position: what parts are in order of.
using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

Key key_of(const Part& part)
{
    return {part.block(), part.pin(), part.position()};
}

Part part_of(const Key& key)
{
    const auto& [block, pin, position] = key;
    return {block * kBlockPages + position % kBlockPages, 1, pin, position};
}

std::vector<Key> contents(const PartTable& table)
{
    std::vector<Key> keys;
    for (PartTable::Place at = table.begin(); table.forward(at); ++at.slot) {
        keys.push_back(key_of(PartTable::at(at)));
    }
    return keys;
}

// How many of them. A place that the first is near to tells where it belongs as well as nothing does.
std::size_t put(PartTable& table, std::span<const Part> parts)
{
    const Part& first = parts.front();
    PartTable::Place place = table.find(first);
    for (const std::uint64_t block : {first.block(), first.block() + 1, first.block() - first.block() / 8}) {
        const PartTable::Place found = table.find(first, table.find_block(block));
        REQUIRE(std::tie(found.group, found.leaf, found.slot, found.in) ==
                std::tie(place.group, place.leaf, place.slot, place.in));
    }
    const std::size_t count = table.insert(place, parts);
    REQUIRE(key_of(PartTable::at(place)) == key_of(first));
    return count;
}

void insert(PartTable& table, const Key& key)
{
    const Part part = part_of(key);
    REQUIRE(put(table, std::span(&part, 1)) == 1);
}

void erase(PartTable& table, const Key& key)
{
    PartTable::Place at = table.find(part_of(key));
    REQUIRE(table.forward(at));
    REQUIRE(key_of(PartTable::at(at)) == key);
    table.erase(at, 1);
}

void require_equal(const PartTable& table, const std::set<Key>& model)
{
    REQUIRE(table.size() == model.size());
    REQUIRE(contents(table) == std::vector<Key>(model.begin(), model.end()));
}

}  // namespace

TEST_CASE("a table of parts agrees with a sorted set as it grows to many groups and shrinks to nothing", "[part_table]")
{
    struct Row {
        const char* what;
        std::uint64_t blocks;
        std::uint64_t pins;
    };
    const std::vector<Row> rows = {
        {"scattered", 1'000'000, 50}, {"many in a block", 100, 500}, {"all in one block", 1, 20'000}};
    for (const Row& row : rows) {
        INFO(row.what);
        std::mt19937_64 random(7);  // NOLINT(cert-msc51-cpp): the same each time
        const auto any = [&] { return Key{random() % row.blocks, 1 + random() % row.pins, random() % kBlockPages}; };
        PartTable table;
        std::set<Key> model;
        for (const unsigned inserted : {90U, 50U, 0U}) {  // of a hundred
            for (int step = 0; step < 40'000 || (inserted == 0 && !model.empty()); ++step) {
                const Key key = any();
                if (random() % 100 < inserted) {
                    if (model.insert(key).second) {
                        insert(table, key);
                    }
                    continue;
                }
                auto found = model.lower_bound(key);
                if (found == model.end()) {
                    found = model.begin();
                }
                if (found != model.end()) {
                    erase(table, *found);
                    model.erase(found);
                }
            }
            require_equal(table, model);
        }
        CHECK(table.size() == 0);
    }
}

TEST_CASE("parts that come in order, either way, are found in order", "[part_table]")
{
    constexpr std::uint64_t kParts = 20'000;
    for (const bool ascending : {true, false}) {
        PartTable table;
        std::set<Key> model;
        for (std::uint64_t i = 0; i < kParts; ++i) {
            const Key key{ascending ? i : kParts - i, 1, 0};
            insert(table, key);
            model.insert(key);
        }
        require_equal(table, model);
    }
}

TEST_CASE("a block is found by what is in it or behind it", "[part_table]")
{
    PartTable table;
    PartTable::Place nowhere = table.find_block(0);
    CHECK_FALSE(table.forward(nowhere));
    CHECK_FALSE(table.back(nowhere));
    for (std::uint64_t block = 0; block < 5000; ++block) {
        insert(table, {3 * block, 1, 0});
    }
    for (std::uint64_t block = 0; block < 5000; ++block) {
        for (const std::uint64_t asked : {3 * block + 1, 3 * block + 2, 3 * block + 3}) {
            PartTable::Place place = table.find_block(asked);
            REQUIRE(table.forward(place) == (block < 4999));
            if (block < 4999) {
                REQUIRE(PartTable::at(place).block() == 3 * block + 3);
            }
            REQUIRE(table.back(place));
            REQUIRE(PartTable::at(place).block() == 3 * block);
        }
    }
}

TEST_CASE("several parts go in and out at once", "[part_table]")
{
    PartTable table;
    std::set<Key> model;
    for (std::uint64_t i = 0; i < 10'000; i += 100) {
        insert(table, {i, 1, 0});
        model.insert({i, 1, 0});
    }
    for (std::uint64_t i = 0; i < 10'000; i += 100) {
        std::vector<Part> parts;
        for (std::uint64_t block = i + 1; block < i + 100; ++block) {
            parts.push_back(part_of({block, 2, 0}));
            model.insert({block, 2, 0});
        }
        for (std::span<const Part> left = parts; !left.empty();) {
            left = left.subspan(put(table, left));
        }
    }
    require_equal(table, model);
    while (!model.empty()) {
        PartTable::Place place = table.find_block(5000);
        if (!table.forward(place)) {
            place = table.begin();
        }
        const std::size_t count = std::min<std::size_t>(PartTable::left_in_leaf(place), 7);
        const auto first = model.find(key_of(PartTable::at(place)));
        model.erase(first, std::next(first, static_cast<std::ptrdiff_t>(count)));
        table.erase(place, count);
        require_equal(table, model);
    }
}

TEST_CASE("what is changed in place is found by what it is now", "[part_table]")
{
    PartTable table;
    for (std::uint64_t block = 0; block < 1000; ++block) {
        const Part part(block * kBlockPages + 10, 20, 5, 100);
        put(table, std::span(&part, 1));
    }
    for (std::uint64_t block = 0; block < 1000; ++block) {
        const PageNumber first = block * kBlockPages;
        PartTable::Place place = table.find_block(block);
        REQUIRE(table.forward(place));
        table.set_pages(place, first + 12, 3);
        PartTable::Place again = table.find(Part(first, 1, 5, 102));
        REQUIRE(table.forward(again));
        CHECK(PartTable::at(again).first() == first + 12);
        CHECK(PartTable::at(again).count() == 3);
        CHECK(PartTable::at(again).position() == 102);
        PartTable::Place behind = table.find(Part(first, 1, 5, 103));
        CHECK((!table.forward(behind) || PartTable::at(behind).block() == block + 1));
    }
}
