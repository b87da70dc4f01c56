#include <rapidcheck.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "ledger/live_positions.h"

using namespace pinwarden;

namespace {

using Model = std::set<std::uint64_t>;

Model all_of(std::uint64_t pages)
{
    Model model;
    for (std::uint64_t i = 0; i < pages; ++i) {
        model.insert(model.end(), i);
    }
    return model;
}

std::uint64_t intervals_of(const Model& model, std::uint64_t first, std::uint64_t end)
{
    return static_cast<std::uint64_t>(
        std::count_if(model.lower_bound(first), model.lower_bound(end),
                      [&](std::uint64_t position) { return position == 0 || !model.contains(position - 1); }));
}

void expect_same(const LivePositions& live, const Model& model, std::uint64_t from, std::uint64_t to)
{
    RC_ASSERT(live.count() == model.size());
    RC_ASSERT(live.empty() == model.empty());
    const auto low = model.lower_bound(from);
    const auto high = model.lower_bound(to);
    RC_ASSERT(live.count_within(from, to) == static_cast<std::uint64_t>(std::distance(low, high)));
    const auto bounds = live.bounds(from, to);
    RC_ASSERT(bounds.has_value() == (low != high));
    if (bounds) {
        RC_ASSERT(bounds->first == *low);
        RC_ASSERT(bounds->second == *std::prev(high) + 1);
    }
}

// Removes as much as `longest` at a time, anywhere, until nothing is left.
void live_and_die(std::uint64_t pages, std::uint64_t longest, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    LivePositions live(pages);
    Model model = all_of(pages);
    std::vector<std::uint64_t> order(pages);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (const std::uint64_t first : order) {
        const std::uint64_t count = 1 + random() % longest;
        live.remove(first, count);
        model.erase(model.lower_bound(first), model.lower_bound(first + count));
        const std::uint64_t from = random() % (pages + 10);
        expect_same(live, model, from, from + 1 + random() % (pages + 10));
    }
    RC_ASSERT(live.empty());
}

}  // namespace

TEST_CASE("live positions agree with a position-by-position model", "[live_positions]")
{
    REQUIRE(rc::check([] {
        const std::uint64_t pages = *rc::gen::inRange<std::uint64_t>(0, 100);
        LivePositions live(pages);
        Model model = all_of(pages);
        const auto steps = *rc::gen::inRange(1, 30);
        for (int step = 0; step < steps; ++step) {
            const std::uint64_t first = *rc::gen::inRange<std::uint64_t>(0, 110);
            const std::uint64_t count = *rc::gen::inRange<std::uint64_t>(0, 12);
            live.remove(first, count);
            model.erase(model.lower_bound(first), model.lower_bound(first + count));
            const std::uint64_t from = *rc::gen::inRange<std::uint64_t>(0, 110);
            expect_same(live, model, from, from + *rc::gen::inRange<std::uint64_t>(1, 40));
        }
    }));
}

TEST_CASE("live positions of a pin that is let go in pieces agree with the model to the end", "[live_positions]")
{
    // From intervals to bits and back, once and more.
    REQUIRE(rc::check([] {
        const std::uint64_t pages = *rc::gen::inRange<std::uint64_t>(1, 1500);
        const std::uint64_t longest = *rc::gen::inRange<std::uint64_t>(1, 40);
        live_and_die(pages, longest, *rc::gen::arbitrary<std::uint64_t>());
    }));
}

TEST_CASE("position bits agree with a position-by-position model", "[live_positions]")
{
    // Sizes with one, two and three levels, and just about their borders.
    REQUIRE(rc::check([] {
        const std::uint64_t size = *rc::gen::element<std::uint64_t>(1, 63, 64, 65, 700, 4096, 4097, 20000);
        PositionBits bits(size);
        Model model;
        const auto range = [&] {
            const std::uint64_t first = *rc::gen::inRange<std::uint64_t>(0, size);
            return std::pair(first, std::min(size, first + *rc::gen::inRange<std::uint64_t>(0, size + 1)));
        };
        const auto steps = *rc::gen::inRange(1, 20);
        for (int step = 0; step < steps; ++step) {
            const auto [first, end] = range();
            if (*rc::gen::arbitrary<bool>()) {
                bits.insert(first, end);
                for (std::uint64_t i = first; i < end; ++i) {
                    model.insert(i);
                }
            } else {
                const std::size_t before = model.size();
                model.erase(model.lower_bound(first), model.lower_bound(end));
                RC_ASSERT(bits.remove(first, end) == before - model.size());
            }
            const auto [from, to] = range();
            const auto low = model.lower_bound(from);
            const auto high = model.lower_bound(to);
            const auto next = bits.next(from);
            RC_ASSERT(next == (low == model.end() ? std::nullopt : std::optional(*low)));
            const auto last = bits.last_before(to);
            RC_ASSERT(last == (high == model.begin() ? std::nullopt : std::optional(*std::prev(high))));
            std::uint64_t gap = from;
            while (model.contains(gap)) {
                ++gap;
            }
            RC_ASSERT(bits.next_gap(from) == gap);
            RC_ASSERT(bits.count(from, to) == static_cast<std::uint64_t>(std::distance(low, high)));
            RC_ASSERT(bits.intervals(from, to) == intervals_of(model, from, to));
        }
        RC_ASSERT(!bits.next(size + 1000));
    }));
}
