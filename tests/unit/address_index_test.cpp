#include "ledger/address_index.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <utility>

using namespace pinwarden;

namespace {

using Taken = std::vector<MappedPages>;

// Every page by itself.
class NaiveIndex {
public:
    void insert(std::uint64_t space, const MappedPages& mapped)
    {
        for (std::uint64_t i = 0; i < mapped.pages; ++i) {
            pages_[{space, mapped.first + i}].emplace(mapped.pin, mapped.position + i);
        }
    }
    // Pin and position → address page.
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> take(std::uint64_t space, std::uint64_t first,
                                                                          std::uint64_t count)
    {
        std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> taken;
        for (std::uint64_t page = first; page < first + count; ++page) {
            for (const auto& holder : pages_[{space, page}]) {
                taken.emplace(holder, page);
            }
            pages_.erase({space, page});
        }
        return taken;
    }
    void erase(std::uint64_t pin)
    {
        for (auto& [page, holders] : pages_) {
            std::erase_if(holders, [&](const auto& holder) { return holder.first == pin; });
        }
    }
    [[nodiscard]] bool maps(std::uint64_t pin) const
    {
        for (const auto& [page, holders] : pages_) {
            for (const auto& holder : holders) {
                if (holder.first == pin) {
                    return true;
                }
            }
        }
        return false;
    }

private:
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::set<std::pair<std::uint64_t, std::uint64_t>>> pages_;
};

std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> by_page(const Taken& taken)
{
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> pages;
    for (const MappedPages& one : taken) {
        for (std::uint64_t i = 0; i < one.pages; ++i) {
            CHECK(pages.emplace(std::pair(one.pin, one.position + i), one.first + i).second);
        }
    }
    return pages;
}

}  // namespace

TEST_CASE("what is mapped on a range is taken, cut to it", "[address_index]")
{
    AddressIndex index;
    index.insert(1, {.first = 100, .pages = 10, .pin = 7, .position = 0});
    CHECK(index.take(1, 90, 10).empty());
    CHECK(index.take(1, 110, 10).empty());
    CHECK(index.take(2, 100, 10).empty());
    CHECK(index.take(1, 100, 0).empty());
    CHECK(index.take(1, 98, 5) == Taken{{100, 3, 7, 0}});
    CHECK(index.take(1, 98, 5).empty());
    CHECK(index.take(1, 105, 1) == Taken{{105, 1, 7, 5}});
    CHECK(index.take(1, 0, 1000) == Taken{{103, 2, 7, 3}, {106, 4, 7, 6}});
    CHECK(index.pieces() == 0);
}

TEST_CASE("pins that share addresses are told apart, and leave no seam", "[address_index]")
{
    AddressIndex index;
    index.insert(1, {.first = 100, .pages = 10, .pin = 7, .position = 0});
    index.insert(1, {.first = 104, .pages = 10, .pin = 8, .position = 20});
    CHECK(index.pieces() == 3);
    index.erase(8);
    CHECK(index.pieces() == 1);
    index.insert(1, {.first = 104, .pages = 10, .pin = 8, .position = 20});
    CHECK(index.take(1, 108, 4) == Taken{{108, 2, 7, 8}, {108, 4, 8, 24}});
    index.erase(7);
    index.erase(7);
    CHECK(index.take(1, 0, 1000) == Taken{{104, 4, 8, 20}, {112, 2, 8, 28}});
}

TEST_CASE("what is put back where it was leaves no trace", "[address_index]")
{
    AddressIndex index;
    index.insert(1, {.first = 100, .pages = 64, .pin = 7, .position = 0});
    for (std::uint64_t at = 100; at < 164; ++at) {
        for (const MappedPages& taken : index.take(1, at, 1)) {
            index.insert(1, taken);
        }
    }
    CHECK(index.pieces() == 1);
    index.erase(7);
    CHECK(index.pieces() == 0);
}

TEST_CASE("the index does what pages one by one would do", "[address_index]")
{
    const auto seed = GENERATE(take(20, random(1U, 1'000'000U)));
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto below = [&](std::uint64_t limit) {
        return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
    };
    AddressIndex index;
    NaiveIndex naive;
    std::uint64_t last_pin = 0;
    for (int step = 0; step < 500; ++step) {
        const std::uint64_t space = 1 + below(2);
        const std::uint64_t first = below(60);
        const std::uint64_t pages = 1 + below(20);
        switch (below(4)) {
            case 0: {
                const MappedPages mapped{first, pages, ++last_pin, below(5)};
                index.insert(space, mapped);
                naive.insert(space, mapped);
                break;
            }
            case 1: {
                const Taken taken = index.take(space, first, pages);
                REQUIRE(by_page(taken) == naive.take(space, first, pages));
                break;
            }
            case 2: {
                // A move, as by mremap.
                const Taken taken = index.take(space, first, pages);
                REQUIRE(by_page(taken) == naive.take(space, first, pages));
                for (MappedPages one : taken) {
                    one.first += 100;
                    index.insert(space, one);
                    naive.insert(space, one);
                }
                break;
            }
            default: {
                const std::uint64_t pin = 1 + below(last_pin + 1);
                index.erase(pin);
                naive.erase(pin);
                CHECK_FALSE(naive.maps(pin));
            }
        }
    }
    for (const std::uint64_t space : {1U, 2U}) {
        REQUIRE(by_page(index.take(space, 0, 100'000)) == naive.take(space, 0, 60'000));
    }
    CHECK(index.pieces() == 0);
}
