// The ledger against a model that keeps every page of every pin by itself.
#include <rapidcheck.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "ledger/ledger.h"
#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t kPagesInPlay = 120;

struct ModelPage {
    PageNumber page = 0;
    std::optional<std::uint64_t> file_page;
};

struct Checked {
    Ledger ledger;
    std::map<PinId, std::map<std::uint64_t, ModelPage>> model;  // by pin, by position
    std::set<PinId> long_term_pins;
    std::uint64_t sequence = 0;
    std::uint64_t raised = 0;  // what the kernel's block counters would say
    std::uint64_t lowered = 0;

    // A pin of scattered runs; pages `from` .. `to` - 1 of it are a file's.
    void acquire(PinId id, const std::vector<PageRun>& runs, std::uint64_t from, std::uint64_t to,
                 std::uint64_t file_page, bool long_term)
    {
        std::uint64_t pages = 0;
        for (const PageRun& run : runs) {
            for (std::uint64_t i = 0; i < run.count; ++i) {
                model[id][pages] = {run.first + i, std::nullopt};
                if (pages >= from && pages < to) {
                    model[id][pages].file_page = file_page + pages - from;
                }
                ++pages;
            }
        }
        raised += pages;
        if (long_term) {
            long_term_pins.insert(id);
        }
        ledger.pin(pin_event(id, pages, id % 2 == 0 ? kMm : kOtherMm, long_term), "vfio");
        to = std::min(to, pages);
        if (from < to) {
            ledger.range(range_event(id, ++sequence, file_page, to - from, from));
        }
        ledger.pages(pages_event(id, runs));
    }

    // The ledger chooses whose pages go; the model checks that they were there, and follows by comparing live counts.
    void release(PageRun run, std::uint64_t span)
    {
        const std::uint64_t end = run.first + (span > 0 ? span : run.count);
        const std::uint64_t held_before = held(run.first, end);
        const auto outcome = ledger.release(release_event({run}, kMm, span));
        std::uint64_t pages = 0;
        for (const Released& released : outcome.released) {
            pages += released.pages;
            RC_ASSERT(released.fully == (ledger.find(released.pin) == nullptr));
        }
        std::map<PageNumber, std::uint64_t> gone;
        for (const PageRun& part : outcome.let_go) {
            for (std::uint64_t i = 0; i < part.count; ++i) {
                RC_ASSERT(part.first + i >= run.first && part.first + i < end);
                ++gone[part.first + i];
                ++lowered;
            }
        }
        RC_ASSERT(pages + outcome.unmatched_pages == run.count);
        RC_ASSERT(span == 0 || pages == std::min(held_before, run.count));
        follow(outcome, gone);
        RC_ASSERT(held(run.first, end) == held_before - pages);
    }

    [[nodiscard]] std::uint64_t held(PageNumber first, PageNumber end) const
    {
        std::uint64_t count = 0;
        for (const auto& [id, pages] : model) {
            for (const auto& [position, page] : pages) {
                count += page.page >= first && page.page < end ? 1U : 0U;
            }
        }
        return count;
    }

    // Takes the pages that went from the pins that gave them. Where a pin had a page twice, the position that went is
    // the lowest.
    void follow(const ReleaseOutcome& outcome, std::map<PageNumber, std::uint64_t>& gone)
    {
        for (const Released& released : outcome.released) {
            auto& pages = model.at(released.pin);
            std::uint64_t left = released.pages;
            for (auto at = pages.begin(); at != pages.end() && left > 0;) {
                const auto counted = gone.find(at->second.page);
                const bool went = counted != gone.end() && counted->second > 0;
                if (went) {
                    --counted->second;
                    --left;
                }
                at = went ? pages.erase(at) : std::next(at);
            }
            RC_ASSERT(left == 0U);
            if (pages.empty()) {
                model.erase(released.pin);
            }
        }
    }

    void compare() const
    {
        std::uint64_t bytes = 0;
        std::uint64_t live_pages = 0;
        std::set<std::uint64_t> file_pages;
        RC_ASSERT(ledger.pins().size() == model.size());
        for (const auto& [id, pages] : model) {
            const PinRecord* pin = ledger.find(id);
            RC_ASSERT(pin != nullptr);
            RC_ASSERT(pin->live_pages == pages.size());
            RC_ASSERT(pin->bytes == pages.size() * 4096);
            bytes += long_term_pins.contains(id) ? pin->bytes : 0;
            live_pages += pages.size();
            for (const auto& [position, page] : pages) {
                if (page.file_page) {
                    file_pages.insert(*page.file_page);
                }
            }
        }
        RC_ASSERT(ledger.pinned_bytes() == bytes);
        RC_ASSERT(raised - lowered == live_pages);
        const FileState state = ledger.file_state(kFile);
        RC_ASSERT(state.sequence == sequence);
        RC_ASSERT(state.complete == (sequence > 0));
        const Pages expected = file_pages.empty() ? Pages(0, 0) : Pages(*file_pages.begin(), *file_pages.rbegin() + 1);
        RC_ASSERT(pages_of(state) == expected);
        RC_ASSERT(ledger.certain());
    }

    void compare_pins_on(std::uint64_t first, std::uint64_t end) const
    {
        std::vector<PinId> expected;
        for (const auto& [id, pages] : model) {
            const bool hit = std::any_of(pages.begin(), pages.end(), [&](const auto& entry) {
                const auto& page = entry.second.file_page;
                return page && *page >= first && *page < end;
            });
            if (hit) {
                expected.push_back(id);
            }
        }
        RC_ASSERT(ids(ledger.pins_on(kFile, first, end)) == expected);
    }
};

}  // namespace

// Pins do not share pages here, so that which pin gives a page up is not in question: ledger_test.cpp has that.
TEST_CASE("the ledger agrees with a page-by-page model", "[ledger]")
{
    REQUIRE(rc::check([] {
        Checked checked;
        PageNumber next_page = 0;
        const auto steps = *rc::gen::inRange(1, 40);
        for (int step = 1; step <= steps; ++step) {
            if (*rc::gen::inRange(0, 2) == 0) {
                std::vector<PageRun> runs;
                for (auto count = *rc::gen::inRange(1, 4); count > 0; --count) {
                    const std::uint64_t pages = *rc::gen::inRange<std::uint64_t>(1, 30);
                    next_page += *rc::gen::inRange<PageNumber>(0, 3);
                    runs.insert(runs.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, 2) * !runs.empty(),
                                {next_page, pages});
                    next_page += pages;
                }
                const std::uint64_t from = *rc::gen::inRange<std::uint64_t>(0, 30);
                const std::uint64_t to = from + *rc::gen::inRange<std::uint64_t>(0, 60);
                const std::uint64_t file_page = *rc::gen::inRange<std::uint64_t>(0, 60);
                checked.acquire(static_cast<PinId>(step), runs, from, to, file_page, *rc::gen::arbitrary<bool>());
            } else {
                const PageRun run{*rc::gen::inRange<PageNumber>(0, next_page + 2),
                                  *rc::gen::inRange<std::uint64_t>(0, 50)};
                checked.release(run, *rc::gen::element<std::uint64_t>(0, 0, 16, 64));
            }
            checked.compare();
            const std::uint64_t first = *rc::gen::inRange<std::uint64_t>(0, kPagesInPlay);
            checked.compare_pins_on(first, first + *rc::gen::inRange<std::uint64_t>(1, 20));
        }
    }));
}
