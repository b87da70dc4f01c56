// The extent index against a model that keeps a list of holders for every page: a million operations a run. What fails
// is repeated with the configuration that rapidcheck prints, in RC_PARAMS.
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "ledger/extent_index.h"

using namespace pinwarden;

namespace {

constexpr int kSteps = 10'000;  // for each of rapidcheck's 100 cases
constexpr std::uint64_t kPages = 600;
constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;
constexpr std::uint64_t kPins = 6;
constexpr PageRun kEverywhere{0, kPages};

struct Holding {
    std::uint64_t pin;
    std::uint64_t position;

    auto operator<=>(const Holding&) const = default;
};

// One page of it.
struct Taken {
    PageNumber page;
    Holding holding;

    auto operator<=>(const Taken&) const = default;
};

using Ranks = std::array<std::uint32_t, kPins>;

class Model {
public:
    void insert(const Extent& extent)
    {
        for (std::uint64_t i = 0; i < extent.count; ++i) {
            pages_.at(extent.first + i).insert({extent.pin, extent.position + i});
        }
    }

    // Of each page the holding that goes, and it is gone.
    std::vector<Taken> remove(PageRun run, const Ranks& ranks)
    {
        std::vector<Taken> taken;
        for (PageNumber page = run.first; page < run.first + run.count; ++page) {
            auto& holders = pages_.at(page);
            std::optional<Holding> best;
            for (const Holding& holding : holders) {
                const std::uint32_t rank = ranks.at(holding.pin);
                if (rank != ExtentIndex::kNever && (!best || rank < ranks.at(best->pin))) {
                    best = holding;
                }
            }
            if (best) {
                taken.push_back({page, *best});
                holders.erase(*best);
            }
        }
        return taken;
    }

    [[nodiscard]] std::uint64_t held(std::uint64_t pin, PageRun run) const
    {
        std::uint64_t pages = 0;
        for (PageNumber page = run.first; page < run.first + run.count; ++page) {
            for (const Holding& holding : pages_.at(page)) {
                pages += holding.pin == pin ? 1U : 0U;
            }
        }
        return pages;
    }

    // The pages it held, ascending, each as often as it held it.
    std::vector<PageNumber> take_all_of(std::uint64_t pin)
    {
        std::vector<PageNumber> pages;
        for (PageNumber page = 0; page < kPages; ++page) {
            const auto count = std::erase_if(pages_.at(page), [&](const Holding& one) { return one.pin == pin; });
            pages.insert(pages.end(), count, page);
        }
        return pages;
    }

    bool take(const Taken& one) { return pages_.at(one.page).erase(one.holding) == 1; }

    [[nodiscard]] std::vector<Taken> holdings(PageRun run) const
    {
        std::vector<Taken> all;
        for (PageNumber page = run.first; page < run.first + run.count; ++page) {
            for (const Holding& holding : pages_.at(page)) {
                all.push_back({page, holding});
            }
        }
        return all;
    }

    [[nodiscard]] std::vector<std::uint64_t> blocks() const
    {
        std::vector<std::uint64_t> numbers;
        for (PageNumber page = 0; page < kPages; ++page) {
            if (!pages_.at(page).empty() && (numbers.empty() || numbers.back() != page / kBlockPages)) {
                numbers.push_back(page / kBlockPages);
            }
        }
        return numbers;
    }

    // The fewest there can be: one starts where what is held is not the continuation of the page before.
    [[nodiscard]] std::size_t extents() const
    {
        std::size_t count = 0;
        for (PageNumber page = 0; page < kPages; ++page) {
            for (const auto& [pin, position] : pages_.at(page)) {
                const bool continues =
                    page % kBlockPages != 0 && position > 0 && pages_.at(page - 1).contains({pin, position - 1});
                count += continues ? 0U : 1U;
            }
        }
        return count;
    }

private:
    std::vector<std::set<Holding>> pages_ = std::vector<std::set<Holding>>(kPages);
};

std::vector<Taken> page_by_page(const std::vector<Extent>& extents)
{
    std::vector<Taken> pages;
    for (const Extent& extent : extents) {
        for (std::uint64_t i = 0; i < extent.count; ++i) {
            pages.push_back({extent.first + i, {extent.pin, extent.position + i}});
        }
    }
    return pages;
}

class Trial {
public:
    explicit Trial(std::uint64_t seed) : random_(seed) {}

    void step()
    {
        const PageRun run = any_run();
        switch (below(11)) {
            case 10: remove_once(run); break;
            case 8: insert_list(); break;
            case 9:
                if (below(8) == 0) {
                    remove_all_of();
                }
                break;
            case 0:
            case 1:
            case 2: insert(run); break;
            case 3:
            case 4:
            case 5: remove(run); break;
            case 6: remove_of(run); break;
            default: compare(run); break;
        }
    }

    void compare_all() const
    {
        compare(kEverywhere);
        RC_ASSERT(index_.extents() == model_.extents());
        const auto blocks = model_.blocks();
        RC_ASSERT(index_.blocks() == blocks.size());
        RC_ASSERT(index_.block_numbers() == blocks);
        const auto some = index_.block_numbers(2, 7);
        RC_ASSERT(std::includes(blocks.begin(), blocks.end(), some.begin(), some.end()));
    }

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    // Short ones mostly, and some across several blocks.
    PageRun any_run()
    {
        const PageNumber first = below(kPages);
        const std::uint64_t longest = below(16) == 0 ? 3 * kBlockPages : 12;
        return {first, std::min(below(longest), kPages - first)};
    }

    void insert(PageRun run)
    {
        const std::uint64_t pin = below(kPins);
        std::uint64_t& position = next_position_.at(pin);
        position += below(4) == 0 ? 1U : 0U;
        // A pin's pages come in any order, also such that they fill a gap that was left.
        const bool descending = below(4) == 0;
        for (std::uint64_t i = 0; i < (descending ? run.count : 1); ++i) {
            const std::uint64_t at = run.count - 1 - i;
            const Extent extent = descending ? Extent{run.first + at, 1, pin, position + at}
                                             : Extent{run.first, run.count, pin, position};
            index_.insert(extent);
            model_.insert(extent);
        }
        position += run.count;
    }

    // Anywhere, and some next to each other, as a call lists what it has pinned.
    void insert_list()
    {
        const std::uint64_t pin = below(kPins);
        std::uint64_t& position = next_position_.at(pin);
        std::vector<Extent> extents;
        for (std::uint64_t left = below(30); left > 0; --left) {
            PageRun run = any_run();
            if (below(3) == 0 && !extents.empty()) {
                const PageNumber behind = extents.back().first + extents.back().count;
                run = {behind, std::min(below(3), kPages - behind)};
            }
            if (run.count > 0) {
                extents.push_back({run.first, run.count, pin, position});
                model_.insert(extents.back());
            }
            position += run.count + below(2);
        }
        index_.insert(extents);
    }

    void remove_all_of()
    {
        const std::uint64_t pin = below(kPins);
        const auto held = model_.take_all_of(pin);
        std::uint64_t pages = 0;
        PageNumber done = 0;
        for (const PageNumber page : held) {
            if (page >= done) {
                done = index_.remove_all_of(pin, {page, std::min(1 + below(5), kPages - page)}, pages);
                RC_ASSERT(done > page);
            }
        }
        RC_ASSERT(pages == held.size());
    }

    void remove(PageRun run)
    {
        constexpr std::array kRanks = {0U, 0U, 1U, 2U, 3U, ExtentIndex::kNever};
        Ranks ranks{};
        for (std::uint32_t& rank : ranks) {
            rank = kRanks.at(below(kRanks.size()));
        }
        std::vector<Extent> removed;
        const auto left = index_.remove(run, [&](std::uint64_t pin) { return ranks.at(pin); }, removed);
        const auto expected = model_.remove(run, ranks);
        RC_ASSERT(page_by_page(removed) == expected);
        RC_ASSERT(left == run.count - expected.size());
    }

    // As if nobody else could be meant.
    void remove_once(PageRun run)
    {
        const std::uint64_t pin = below(kPins);
        Ranks ranks{};
        ranks.fill(ExtentIndex::kNever);
        ranks.at(pin) = 0;
        std::vector<Extent> removed;
        std::vector<PageRun> without;
        index_.remove_once(pin, run, removed, without);
        auto pages = page_by_page(removed);
        std::sort(pages.begin(), pages.end());
        RC_ASSERT(pages == model_.remove(run, ranks));
        std::set<PageNumber> others;
        for (const PageRun& other : without) {
            for (std::uint64_t i = 0; i < other.count; ++i) {
                RC_ASSERT(others.insert(other.first + i).second);
            }
        }
        RC_ASSERT(others.size() + pages.size() == run.count);
        for (const Taken& one : pages) {
            RC_ASSERT(!others.contains(one.page));
        }
    }

    void remove_of(PageRun within)
    {
        const std::uint64_t pin = below(kPins);
        const std::uint64_t limit = below(40);
        std::vector<Extent> removed;
        const std::uint64_t expected = std::min(limit, model_.held(pin, within));
        RC_ASSERT(index_.remove_of(pin, within, limit, removed) == expected);
        const auto pages = page_by_page(removed);
        RC_ASSERT(pages.size() == expected);
        for (const Taken& one : pages) {
            RC_ASSERT(one.holding.pin == pin && one.page >= within.first && one.page < within.first + within.count);
            RC_ASSERT(model_.take(one));
        }
    }

    void compare(PageRun run) const
    {
        std::vector<Extent> seen;
        index_.visit(run, [&](const Extent& extent) {
            RC_ASSERT(extent.count > 0 &&
                      extent.first / kBlockPages == (extent.first + extent.count - 1) / kBlockPages);
            if (!seen.empty()) {
                const auto before = std::tuple(seen.back().first / kBlockPages, seen.back().pin, seen.back().position);
                RC_ASSERT(before < std::tuple(extent.first / kBlockPages, extent.pin, extent.position));
            }
            seen.push_back(extent);
            return true;
        });
        auto pages = page_by_page(seen);
        std::sort(pages.begin(), pages.end());
        RC_ASSERT(pages == model_.holdings(run));
    }

    std::mt19937_64 random_;
    ExtentIndex index_;
    Model model_;
    std::array<std::uint64_t, kPins> next_position_{};
};

}  // namespace

TEST_CASE("the extent index agrees with a page-by-page model for a million operations", "[extent_index]")
{
    REQUIRE(rc::check([] {
        const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>());
        Trial trial(seed);
        for (int step = 0; step < kSteps; ++step) {
            trial.step();
            if (step % 500 == 499) {
                trial.compare_all();
            }
        }
    }));
}
