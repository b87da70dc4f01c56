#include "ledger/ledger.h"

#include <catch2/catch.hpp>

#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("a pin is known from its acquisition to its last page's release", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 10), "rdma_rxe");
    REQUIRE(ledger.find(1) != nullptr);
    CHECK(ledger.find(1)->driver == "rdma_rxe");
    CHECK(ledger.find(1)->bytes == 40960);
    CHECK(ledger.find(1)->listed_pages == 0);
    ledger.pages(pages_event(1, {{100, 6}}));
    ledger.pages(pages_event(1, {{300, 4}}, 6));
    CHECK(ledger.find(1)->listed_pages == 10);
    CHECK(ledger.find(1)->live_pages == 10);
    CHECK(ledger.pinned_bytes() == 40960);

    const auto first = ledger.release(release_event({{100, 2}}));
    REQUIRE(first.released.size() == 1);
    CHECK(first.released[0].pages == 2);
    CHECK(first.released[0].bytes == 8192);
    CHECK_FALSE(first.released[0].fully);
    CHECK(first.released[0].record.id == 1);
    CHECK(first.released[0].record.live_pages == 10);
    CHECK(first.let_go == std::vector<PageRun>{{100, 2}});
    CHECK(ledger.find(1)->bytes == 32768);
    CHECK(ledger.find(1)->live_pages == 8);

    const auto second = ledger.release(release_event({{302, 1}}));
    CHECK(second.released[0].record.id == 0);

    const auto last = ledger.release(release_event({{102, 4}, {300, 2}, {303, 1}}));
    REQUIRE(last.released.size() == 1);
    CHECK(last.released[0].fully);
    CHECK(last.released[0].pages == 7);
    CHECK(last.released[0].bytes == 7 * 4096);
    CHECK(last.released[0].record.live_pages == 7);
    CHECK(last.let_go == std::vector<PageRun>{{102, 4}, {300, 2}, {303, 1}});
    CHECK(ledger.find(1) == nullptr);
    CHECK(ledger.pinned_bytes() == 0);
    CHECK(ledger.certain());
    CHECK(ledger.unmatched_releases() == 0);
}

TEST_CASE("failed and empty acquisitions leave nothing behind", "[ledger]")
{
    Ledger ledger;
    auto failed = pin_event(1, 4);
    failed.error = 14;
    ledger.pin(failed, "vfio");
    ledger.pin(pin_event(2, 0), "vfio");
    CHECK(ledger.pins().empty());
}

TEST_CASE("releases of pages nobody holds are counted", "[ledger]")
{
    Ledger ledger;
    acquire(ledger, 1, 100, 4);
    const auto outcome = ledger.release(release_event({{98, 4}, {1000, 3}}));
    CHECK(outcome.unmatched_pages == 5);
    CHECK(outcome.let_go == std::vector<PageRun>{{100, 2}});
    CHECK(ledger.unmatched_releases() == 5);
}

TEST_CASE("a shared page is given up by the likeliest holder", "[ledger]")
{
    struct Holder {
        PinId id;
        std::uint64_t mm;
        bool long_term;
    };
    struct Row {
        const char* what;
        std::vector<Holder> holders;
        PinId released;
    };
    const std::vector<Row> rows = {
        {"same address space first", {{1, kOtherMm, true}, {2, kMm, true}}, 2},
        {"then the oldest", {{1, kMm, true}, {2, kMm, true}}, 1},
        {"a short-term pin before a long-term one", {{1, kMm, true}, {2, kMm, false}}, 2},
        {"but not one of another address space", {{1, kMm, true}, {2, kOtherMm, false}}, 1},
        {"in a kernel worker: any, short-term first", {{1, kOtherMm, true}, {2, kOtherMm, false}}, 2},
        {"in a kernel worker: the oldest", {{1, kOtherMm, true}, {2, kOtherMm, true}}, 1},
    };
    for (const Row& row : rows) {
        for (const std::uint64_t span : {0U, 16U}) {
            INFO(row.what << ", span " << span);
            Ledger ledger;
            for (const Holder& holder : row.holders) {
                acquire(ledger, holder.id, 160, 1, holder.mm, holder.long_term);
            }
            const auto outcome = ledger.release(release_event({{160, 1}}, kMm, span));
            REQUIRE(outcome.released.size() == 1);
            CHECK(outcome.released[0].pin == row.released);
            CHECK(outcome.released[0].fully);
            CHECK(ledger.pins().size() == row.holders.size() - 1);
        }
    }
}

TEST_CASE("a release on a folio takes its pins wherever they are", "[ledger]")
{
    Ledger ledger;
    acquire(ledger, 1, 516, 2);
    acquire(ledger, 2, 600, 10);
    acquire(ledger, 3, 700, 20, kOtherMm);

    SECTION("one pin that has enough goes before an older one that has not")
    {
        const auto outcome = ledger.release(release_event({{512, 5}}, kMm, 512));
        REQUIRE(outcome.released.size() == 1);
        CHECK(outcome.released[0].pin == 2);
        CHECK(outcome.let_go == std::vector<PageRun>{{600, 5}});
    }
    SECTION("when none has enough, several give")
    {
        const auto outcome = ledger.release(release_event({{512, 25}}, 0, 512));
        CHECK(outcome.unmatched_pages == 0);
        CHECK(outcome.released.size() == 3);
        CHECK(known(ledger) == std::vector<PinId>{3});
        CHECK(ledger.find(3)->live_pages == 7);
    }
    SECTION("what nobody has is counted")
    {
        CHECK(ledger.release(release_event({{512, 40}}, kMm, 512)).unmatched_pages == 8);
        CHECK(ledger.pins().empty());
    }
    SECTION("pins beside the folio are left alone")
    {
        CHECK(ledger.release(release_event({{1024, 1}}, kMm, 512)).unmatched_pages == 1);
        CHECK(ledger.pins().size() == 3);
    }
}

TEST_CASE("a page pinned twice by one call has to be released twice", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 3), "io_uring");
    ledger.pages(pages_event(1, {{50, 1}, {50, 1}, {51, 1}}));
    CHECK(ledger.release(release_event({{50, 2}})).let_go == std::vector<PageRun>{{50, 2}});
    CHECK(ledger.release(release_event({{50, 1}})).released[0].fully);
}

TEST_CASE("one release may end several pins", "[ledger]")
{
    Ledger ledger;
    acquire(ledger, 1, 100, 4);
    acquire(ledger, 2, 104, 4);
    const auto outcome = ledger.release(release_event({{100, 8}}));
    REQUIRE(outcome.released.size() == 2);
    CHECK(outcome.released[0].pin == 1);
    CHECK(outcome.released[1].pin == 2);
    CHECK(outcome.released[0].record.owner.comm == "owner");
    CHECK(outcome.let_go == std::vector<PageRun>{{100, 8}});
}

TEST_CASE("a pin whose page list was lost stays visible", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 1024), "rdma_rxe");
    ledger.pages(pages_event(1, {{1000, 512}}));
    ledger.lost_events();
    ledger.release(release_event({{1000, 512}, {5000, 512}}));
    REQUIRE(ledger.find(1) != nullptr);
    CHECK(ledger.find(1)->live_pages == 0);
    CHECK(ledger.find(1)->bytes == 512 * 4096);
    CHECK_FALSE(ledger.certain());
}

TEST_CASE("what does not fit together makes the ledger uncertain", "[ledger]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 4), "rdma_rxe");
    SECTION("pages of an unknown pin")
    {
        ledger.pages(pages_event(9, {{1, 1}}));
    }
    SECTION("more pages than were pinned")
    {
        ledger.pages(pages_event(1, {{1, 5}}));
    }
    SECTION("a gap in the page list")
    {
        ledger.pages(pages_event(1, {{1, 2}}, 2));
    }
    SECTION("a page list that comes twice")
    {
        ledger.pages(pages_event(1, {{1, 2}}));
        ledger.pages(pages_event(1, {{1, 2}}));
        CHECK(ledger.find(1)->listed_pages == 2);
    }
    SECTION("a pin that comes twice")
    {
        ledger.pin(pin_event(1, 4), "vfio");
    }
    SECTION("a range of an unknown pin")
    {
        ledger.range(range_event(9, 1, 0, 4));
    }
    SECTION("a range beyond the pin")
    {
        ledger.range(range_event(1, 1, 0, 4, 4));
    }
    CHECK_FALSE(ledger.certain());
    CHECK(ledger.find(1)->driver == "rdma_rxe");
}

TEST_CASE("an exit orphans the pins of exactly that process", "[ledger]")
{
    Ledger ledger;
    acquire(ledger, 1, 100, 1);
    acquire(ledger, 2, 101, 1);
    auto reused = pin_event(3, 1);
    reused.owner.process.start_time = 9999;
    ledger.pin(reused, "vfio");
    CHECK(ledger.exit({1, {100, 1234}}).empty());
    CHECK(ledger.exit({1, {100, 5000}}).size() == 2);
    CHECK(ledger.find(1)->owner_exited);
    CHECK(ledger.find(2)->owner_exited);
    CHECK_FALSE(ledger.find(3)->owner_exited);
    ledger.release(release_event({{100, 2}}));
    CHECK(ledger.exit({1, {100, 5000}}).empty());
    CHECK(known(ledger) == std::vector<PinId>{3});
}

TEST_CASE("orphans become leaks in the order in which their owners went, each once", "[ledger]")
{
    Ledger ledger;
    for (PinId id = 1; id <= 3; ++id) {
        auto event = pin_event(id, 2);
        event.owner.process.pid = static_cast<std::uint32_t>(200 - id);
        ledger.pin(event, "vfio");
        ledger.pages(pages_event(id, {{id * 100, 2}}));
    }
    const auto owner = [&](PinId id) { return ledger.find(id)->owner.process; };
    ledger.exit({50, owner(2)});
    ledger.exit({70, owner(1)});
    ledger.exit({90, owner(1)});  // told twice: the first time counts
    CHECK(ledger.find(1)->orphaned == 70);
    CHECK(ledger.orphans().oldest() == 50);
    CHECK(ledger.live_owners_after({}, 10) == std::vector{owner(3)});

    CHECK(ledger.take_leaks(49).empty());
    CHECK(ledger.take_leaks(50) == std::vector<PinId>{2});
    CHECK(ledger.find(2)->leak);
    CHECK_FALSE(ledger.find(1)->leak);
    CHECK(ledger.orphans().next() == 70);
    CHECK(ledger.take_leaks(100) == std::vector<PinId>{1});
    CHECK(ledger.take_leaks(100).empty());
    const auto totals = ledger.orphan_totals();
    CHECK(totals.at("vfio").orphans.pins == 2);
    CHECK(totals.at("vfio").leaks.bytes == 4 * 4096);

    ledger.release(release_event({{200, 2}}));
    CHECK(ledger.orphans().oldest() == 70);
    ledger.release(release_event({{100, 2}}));
    CHECK_FALSE(ledger.orphans().oldest());
    CHECK(ledger.orphan_totals().empty());
}

TEST_CASE("live owners are listed in turn, those that are not known left out", "[ledger]")
{
    Ledger ledger;
    for (PinId id = 1; id <= 5; ++id) {
        auto event = pin_event(id, 1);
        event.owner.process = {static_cast<std::uint32_t>(id - 1), 7};
        ledger.pin(event, "vfio");
    }
    const auto first = ledger.live_owners_after({}, 3);
    CHECK(first == std::vector<ProcessId>{{1, 7}, {2, 7}, {3, 7}});
    CHECK(ledger.live_owners_after(first.back(), 3) == std::vector<ProcessId>{{4, 7}});
}

TEST_CASE("totals add up by driver and backing", "[ledger]")
{
    Ledger ledger;
    acquire(ledger, 1, 100, 1);
    acquire(ledger, 2, 200, 2);
    acquire_file(ledger, 3, 300, 3, 1, 0);
    const auto totals = ledger.sums(0).totals;
    CHECK(totals.at({"rdma_rxe", Backing::kAnonymous}).pins == 2);
    CHECK(totals.at({"rdma_rxe", Backing::kAnonymous}).bytes == 3 * 4096);
    CHECK(totals.at({"rdma_rxe", Backing::kFile}).bytes == 3 * 4096);
    CHECK(ledger.pinned_bytes() == 6 * 4096);
}

TEST_CASE("a large pin can be let go page by page, in any order", "[ledger]")
{
    constexpr std::uint64_t kPages = 262144;
    Ledger ledger;
    acquire_file(ledger, 1, 1 << 20, kPages, 1, 0);
    std::uint64_t released = 0;
    std::uint64_t changes = 0;
    std::uint64_t narrower = 0;
    // A stride that has no factor in common with the number of pages visits each page once, in no order.
    for (std::uint64_t i = 0; i < kPages; ++i) {
        const PageNumber page = (i * 100003) % kPages;
        released += ledger.release(release_event({{(1 << 20) + page, 1}})).let_go.size();
        changes += ledger.take_changed_files().size();
        narrower += ledger.file_state(kFile).end_page < kPages ? 1U : 0U;
    }
    CHECK(released == kPages);
    CHECK(changes == kPages);
    CHECK(narrower > 0);
    CHECK(ledger.pins().empty());
    CHECK(ledger.pinned_bytes() == 0);
}
