#include "ledger/attribution.h"

#include <catch2/catch.hpp>

#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr Scope kRegion{PW_SCOPE_RDMA_REGION, 1};
constexpr Scope kOtherRegion{PW_SCOPE_RDMA_REGION, 2};
constexpr Scope kBuffer{PW_SCOPE_IO_URING_BUFFER, 3};
constexpr Scope kSomeRegion{PW_SCOPE_RDMA_REGION, 0};

void acquire_for(Ledger& ledger, PinId id, Scope scope, std::uint64_t mm = kMm, bool long_term = true,
                 const std::string& driver = "unknown")
{
    PinEvent event = pin_event(id, 4, mm, long_term);
    event.scope = scope;
    ledger.pin(event, driver);
    ledger.pages(pages_event(id, {{100, 4}}));
}

ReleaseEvent release_of(Scope scope, std::uint64_t mm = kMm)
{
    ReleaseEvent event = release_event({{100, 4}}, mm);
    event.scope = scope;
    return event;
}

struct Told {
    std::vector<PinId> left;
    ReleaseRule rule = ReleaseRule::kRepair;

    friend bool operator==(const Told&, const Told&) = default;
};

Told release(Ledger& ledger, const ReleaseEvent& event)
{
    const ReleaseOutcome outcome = ledger.release(event);
    return {known(ledger), outcome.released.empty() ? ReleaseRule::kRepair : outcome.released.front().rule};
}

}  // namespace

TEST_CASE("the object that is let go tells whose pin goes, whatever its age and address space", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion);
    acquire_for(ledger, 2, kBuffer);
    acquire_for(ledger, 3, kOtherRegion, kOtherMm);
    CHECK(release(ledger, release_of(kOtherRegion)) == Told{{1, 2}, ReleaseRule::kObject});
    CHECK(release(ledger, release_of(kBuffer, 0)) == Told{{1}, ReleaseRule::kObject});
    CHECK(release(ledger, release_of(kRegion, kOtherMm)) == Told{{}, ReleaseRule::kObject});
    CHECK(ledger.ambiguous_releases() == 0);
}

TEST_CASE("what an object holds is not let go by others", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion);
    SECTION("a release outside of any object is a brief pin's that was never seen")
    {
        const auto outcome = ledger.release(release_event({{100, 4}}));
        CHECK(outcome.released.empty());
        CHECK(outcome.unmatched_pages == 4);
    }
    SECTION("another object's release")
    {
        CHECK(ledger.release(release_of(kOtherRegion)).unmatched_pages == 4);
        CHECK(ledger.release(release_of(kBuffer)).unmatched_pages == 4);
    }
    CHECK(known(ledger) == std::vector<PinId>{1});
    CHECK(ledger.certain());
}

TEST_CASE("an object's release is not a brief pin's", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, {}, kMm, false);
    CHECK(ledger.release(release_of(kRegion)).unmatched_pages == 4);
    CHECK(known(ledger) == std::vector<PinId>{1});
}

TEST_CASE("objects from before the start are told apart by their kind", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kBuffer);
    acquire_for(ledger, 2, kSomeRegion, kOtherMm);
    acquire_for(ledger, 3, {});
    CHECK(release(ledger, release_of(kSomeRegion)) == Told{{1, 3}, ReleaseRule::kAddressSpace});
    // An adopted pin, of which not even the kind is known.
    CHECK(release(ledger, release_of(kSomeRegion)) == Told{{1}, ReleaseRule::kOnlyHolder});
}

TEST_CASE("where the object is not known the driver tells its kind, then the address space", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, {}, kMm, true, "vfio");
    acquire_for(ledger, 2, {}, kOtherMm, true, "rdma_rxe");
    acquire_for(ledger, 3, {}, kMm, true, "rdma_rxe");
    CHECK(release(ledger, release_of(kRegion)) == Told{{1, 2}, ReleaseRule::kAddressSpace});
    CHECK(release(ledger, release_of(kRegion)) == Told{{1}, ReleaseRule::kOnlyHolder});
    CHECK(ledger.release(release_of(kRegion)).unmatched_pages == 4);
    CHECK(ledger.ambiguous_releases() == 0);
}

TEST_CASE("without an object the address space tells, brief pins before long ones, then age", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, {}, kOtherMm);
    acquire_for(ledger, 2, {});
    acquire_for(ledger, 3, {});
    acquire_for(ledger, 4, {}, kMm, false);
    CHECK(release(ledger, release_of({})) == Told{{1, 2, 3}, ReleaseRule::kAddressSpace});
    CHECK(ledger.ambiguous_releases() == 0);
    CHECK(release(ledger, release_of({})) == Told{{1, 3}, ReleaseRule::kOldest});
    CHECK(ledger.ambiguous_releases() == 4);
    CHECK(release(ledger, release_of({})) == Told{{1}, ReleaseRule::kAddressSpace});
    CHECK(release(ledger, release_of({})) == Told{{}, ReleaseRule::kOnlyHolder});
}

TEST_CASE("on a large folio the page that was named goes first, but the object decides", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kBuffer);
    acquire_for(ledger, 2, kSomeRegion);
    ReleaseEvent head = release_event({{96, 1}}, kMm, 16);
    head.scope = kBuffer;
    head.named = 96;  // which nobody has pinned
    CHECK(ledger.release(head).released.size() == 1);
    CHECK(ledger.holders({100, 1}) == std::vector<PinId>{2});
    head.named = 103;
    CHECK(ledger.release(head).released.size() == 1);
    CHECK(ledger.holders({103, 1}) == std::vector<PinId>{2});
    CHECK(ledger.holders({101, 2}) == std::vector<PinId>{1, 2});
    CHECK(ledger.find(1)->live_pages == 2);
    CHECK(ledger.find(2)->live_pages == 4);
}

TEST_CASE("while a buffer is made it may give up all pins of a folio but one, and holds all of it", "[attribution]")
{
    Ledger ledger;
    PinEvent event = pin_event(1, 4);
    event.scope = kBuffer;
    ledger.pin(event, "io_uring");
    ledger.range(range_event(1, 1, 20, 4));
    ledger.pages(pages_event(1, {{100, 4}}));
    ReleaseEvent tails = release_event({{101, 3}});
    tails.scope = kBuffer;
    tails.making = true;
    const auto outcome = ledger.release(tails);
    CHECK(outcome.released[0].bytes == 0);
    CHECK(ledger.held({100, 1}) == 1);
    CHECK(ledger.held({101, 3}) == 0);
    CHECK(ledger.pinned_bytes() == 16384);
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(20, 24));
    CHECK(ids(ledger.pins_on(kFile, 23, 24)) == std::vector<PinId>{1});

    ReleaseEvent last = release_event({{100, 1}});
    last.scope = kBuffer;
    CHECK(ledger.release(last).released[0].bytes == 16384);
    CHECK(ledger.pins().empty());
    CHECK(pages_of(ledger.file_state(kFile)) == Pages(0, 0));
}

TEST_CASE("a repair takes from those least likely to be there still, object or not", "[attribution]")
{
    Ledger ledger;
    acquire_for(ledger, 1, kRegion);
    acquire_for(ledger, 2, kBuffer);
    ledger.exit({9'000, {100, 5000}});
    acquire_for(ledger, 3, kRegion);
    acquire_for(ledger, 4, {}, kMm, false);
    ReleaseEvent gone = release_event({{100, 4}});
    gone.repair = true;
    CHECK(release(ledger, gone) == Told{{1, 2, 3}, ReleaseRule::kRepair});
    CHECK(release(ledger, gone) == Told{{2, 3}, ReleaseRule::kRepair});
    CHECK(release(ledger, gone) == Told{{3}, ReleaseRule::kRepair});
    CHECK(ledger.ambiguous_releases() == 0);
}
