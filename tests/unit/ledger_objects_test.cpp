// Objects that are let go as a whole.
#include <catch2/catch.hpp>
#include <map>
#include <utility>

#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr Scope kRegion{PW_SCOPE_RDMA_REGION, 7};
constexpr Scope kOtherRegion{PW_SCOPE_RDMA_REGION, 8};

void acquire_for(Ledger& ledger, PinId id, Scope object, const std::vector<PageRun>& runs, std::uint64_t pinned)
{
    PinEvent event = pin_event(id, pinned);
    event.scope = object;
    ledger.pin(event, "rdma_rxe");
    ledger.pages(pages_event(id, runs));
}

ReleaseEvent whole(Scope object)
{
    ReleaseEvent event;
    event.time = 5000;
    event.scope = object;
    event.whole = true;
    return event;
}

}  // namespace

TEST_CASE("an object takes all of its pins with it, and no others", "[ledger]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion, {{100, 2}, {50, 1}, {300, 64}}, 67);
    acquire_for(ledger, 2, kOtherRegion, {{100, 4}}, 4);
    acquire(ledger, 3, 100, 4);
    acquire_for(ledger, 4, kRegion, {{101, 3}}, 3);
    const ReleaseOutcome outcome = ledger.release(whole(kRegion));
    REQUIRE(outcome.released.size() == 2);
    CHECK(outcome.released[0].pin == 1);
    CHECK(outcome.released[0].pages == 67);
    CHECK(outcome.released[0].bytes == 67 * 4096);
    CHECK(outcome.released[0].fully);
    CHECK(outcome.released[0].record.id == 1);
    CHECK(outcome.released[0].rule == ReleaseRule::kObject);
    CHECK(outcome.released[1].pin == 4);
    CHECK(outcome.let_go.empty());
    CHECK(outcome.unmatched_pages == 0);
    CHECK(ledger.holders({0, 1000}) == std::vector<PinId>{2, 3});
    CHECK(ledger.held({100, 4}) == 8);
    CHECK(ledger.pinned_bytes() == 8 * 4096);
    CHECK(ledger.certain());
    CHECK(ledger.release(whole(kRegion)).released.empty());
}

TEST_CASE("a page that an object has pinned twice is let go twice", "[ledger]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion, {{100, 2}, {100, 2}, {101, 1}}, 5);
    CHECK(ledger.held({101, 1}) == 3);
    CHECK(ledger.release(whole(kRegion)).released[0].pages == 5);
    CHECK(ledger.index().extents() == 0);
}

TEST_CASE("of runs of an object that overlap nothing is left", "[ledger]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion, {{102, 4}, {100, 4}}, 8);
    CHECK(ledger.release(whole(kRegion)).released[0].pages == 8);
    CHECK(ledger.index().extents() == 0);
}

TEST_CASE("of an object goes what is left, also what was never listed", "[ledger]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion, {{100, 4}}, 8);
    ReleaseEvent part = release_event({{100, 1}});
    part.scope = kRegion;
    ledger.release(part);
    const ReleaseOutcome outcome = ledger.release(whole(kRegion));
    REQUIRE(outcome.released.size() == 1);
    CHECK(outcome.released[0].pages == 3);
    CHECK(outcome.released[0].bytes == 7 * 4096);
    CHECK(outcome.released[0].fully);
    CHECK(ledger.pins().empty());
    CHECK(ledger.pinned_bytes() == 0);
    CHECK(ledger.index().extents() == 0);
}

TEST_CASE("the file of an object's pin is free when it is let go", "[ledger]")
{
    Ledger ledger;
    PinEvent event = pin_event(1, 4);
    event.scope = kRegion;
    ledger.pin(event, "rdma_rxe");
    ledger.range(range_event(1, 1, 20, 4));
    ledger.pages(pages_event(1, {{100, 4}}));
    REQUIRE_FALSE(ledger.take_changed_files().empty());
    ledger.release(whole(kRegion));
    CHECK(ledger.take_changed_files() == std::vector<FileKey>{kFile});
    CHECK(ledger.pins_on(kFile, 0, 100).empty());
    CHECK(ledger.file_state(kFile).first_page == ledger.file_state(kFile).end_page);
}

TEST_CASE("pins of no object are counted when they are gone", "[ledger]")
{
    Ledger ledger;
    acquire(ledger, 1, 100, 4);
    acquire_for(ledger, 2, kRegion, {{200, 4}}, 4);
    acquire(ledger, 3, 300, 2, kMm, false);
    CHECK(ledger.unfollowed_gone() == 0);
    ledger.release(whole(kRegion));
    CHECK(ledger.unfollowed_gone() == 0);
    ledger.release(release_event({{100, 3}}));
    CHECK(ledger.unfollowed_gone() == 0);
    ledger.release(release_event({{103, 1}}));
    CHECK(ledger.unfollowed_gone() == 1);
    ledger.release(release_event({{300, 2}}));
    CHECK(ledger.unfollowed_gone() == 2);
}

TEST_CASE("the first pin of an object is the oldest that is left", "[ledger]")
{
    Ledger ledger;
    CHECK(ledger.first_of(kRegion) == nullptr);
    acquire_for(ledger, 1, kRegion, {{100, 1}}, 1);
    acquire_for(ledger, 2, kRegion, {{200, 1}}, 1);
    CHECK(ledger.first_of(kRegion)->id == 1);
    ReleaseEvent part = release_event({{100, 1}});
    part.scope = kRegion;
    ledger.release(part);
    CHECK(ledger.first_of(kRegion)->id == 2);
    CHECK(ledger.first_of(kOtherRegion) == nullptr);
}

namespace {

// What a release lets go, by pin, and what is left unmatched.
std::pair<std::map<PinId, std::uint64_t>, std::uint64_t> outcome_of(Ledger& ledger, const ReleaseEvent& event)
{
    const ReleaseOutcome outcome = ledger.release(event);
    std::map<PinId, std::uint64_t> pages;
    for (const Released& part : outcome.released) {
        pages[part.pin] += part.pages;
    }
    return {pages, outcome.unmatched_pages};
}

}  // namespace

TEST_CASE("an object's pages come from its own pin, however many others hold them", "[ledger]")
{
    Ledger few;
    Ledger many;
    for (Ledger* ledger : {&few, &many}) {
        acquire_for(*ledger, 1, kRegion, {{100, 4}, {102, 1}, {120, 12}}, 17);
        acquire_for(*ledger, 2, kOtherRegion, {{100, 32}}, 32);
    }
    CHECK_FALSE(few.index().crowded(100));
    for (PinId id = 1000; id < 1100; ++id) {
        acquire_for(many, id, {PW_SCOPE_RDMA_REGION, id}, {{96, 40}}, 40);
    }
    REQUIRE(many.index().crowded(100));

    ReleaseEvent event;
    event.scope = kRegion;
    const auto both = [&] {
        const auto expected = outcome_of(few, event);
        CHECK(outcome_of(many, event) == expected);
        return expected;
    };
    // Across a border of blocks, with a page it has twice, and some that it does not have.
    event.runs = {{102, 30}};
    CHECK(both().first.at(1) == 14);
    event.runs = {{102, 1}};
    CHECK(both().first == std::map<PinId, std::uint64_t>{{1, 1}});
    // On a folio: what was named first, then the lowest.
    event.runs = {{96, 1}};
    event.span = 16;
    event.named = 101;
    CHECK(both().first == std::map<PinId, std::uint64_t>{{1, 1}});
    CHECK(many.holders({101, 1}) != many.holders({100, 1}));
    event.named.reset();
    event.runs = {{96, 3}};
    static_cast<void>(both());
    CHECK(many.find(1) == nullptr);
    CHECK(few.find(1) == nullptr);
}
