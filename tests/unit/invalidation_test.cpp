#include "correlate/invalidation.h"

#include <catch2/catch.hpp>

#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

using Met = std::vector<std::pair<PinId, std::uint64_t>>;

Met met_by(Ledger& ledger, const InvalidationEvent& event)
{
    Met met;
    for (const MetPin& one : ledger.invalidate(event).met) {
        met.emplace_back(one.pin, one.pages);
    }
    return met;
}

Met met_by(Ledger& ledger, pw_invalidation_kind operation, std::uint64_t first, std::uint64_t pages)
{
    return met_by(ledger, invalidation_event(operation, first, pages));
}

InvalidationEvent moved(std::uint64_t first, std::uint64_t pages, std::uint64_t to, std::uint64_t moved_pages)
{
    InvalidationEvent event = invalidation_event(PW_INVALIDATION_MREMAP, first, pages);
    event.moved_to = {kAddress + to * 4096, moved_pages * 4096};
    return event;
}

}  // namespace

TEST_CASE("an invalidation meets what is pinned and mapped there, once", "[invalidation]")
{
    const auto operation = GENERATE(PW_INVALIDATION_MUNMAP, PW_INVALIDATION_MMAP_FIXED, PW_INVALIDATION_MADV_DONTNEED,
                                    PW_INVALIDATION_NOTIFIER_UNMAP, PW_INVALIDATION_NOTIFIER_CLEAR);
    Ledger ledger;
    acquire(ledger, 1, 1000, 16);
    CHECK(met_by(ledger, operation, 16, 10).empty());
    CHECK(met_by(ledger, operation, 14, 10) == Met{{1, 2}});
    CHECK(met_by(ledger, operation, 14, 10).empty());
    CHECK(met_by(ledger, operation, 0, 100) == Met{{1, 14}});
    // The pages are pinned all the same.
    CHECK(ledger.find(1)->bytes == 16 * 4096);
}

TEST_CASE("what was released does not count", "[invalidation]")
{
    Ledger ledger;
    acquire(ledger, 1, 1000, 16);
    ledger.release(release_event({{1000, 4}, {1010, 2}}));
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 0, 4).empty());
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 8, 8) == Met{{1, 6}});
    ledger.release(release_event({{1004, 6}, {1012, 4}}));
    CHECK(ledger.find(1) == nullptr);
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 0, 16).empty());
}

TEST_CASE("brief pins, and those whose addresses are not a process's, are met by no invalidation", "[invalidation]")
{
    Ledger ledger;
    acquire(ledger, 1, 1000, 4, kMm, false);
    PinEvent folios = pin_event(2, 4);
    folios.function = PW_MEMFD_PIN_FOLIOS;
    ledger.pin(folios, "udmabuf");
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 0, 100).empty());
}

TEST_CASE("two pins of one buffer are both met", "[invalidation]")
{
    Ledger ledger;
    acquire(ledger, 1, 1000, 16);
    acquire(ledger, 2, 1000, 8);
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 6, 4) == Met{{1, 4}, {2, 2}});
}

TEST_CASE("dropped pages of a file come back as the same: only those of nobody's file are met", "[invalidation]")
{
    Ledger ledger;
    ledger.pin(pin_event(1, 16), "rdma_rxe");
    ledger.range(range_event(1, 1, 100, 4, 4));
    ledger.range(range_event(1, 2, 200, 2, 10));
    ledger.pages(pages_event(1, {{1000, 16}}));
    CHECK(met_by(ledger, PW_INVALIDATION_MADV_DONTNEED, 4, 4).empty());
    CHECK(met_by(ledger, PW_INVALIDATION_MADV_DONTNEED, 6, 5) == Met{{1, 2}});
    CHECK(met_by(ledger, PW_INVALIDATION_NOTIFIER_CLEAR, 0, 16) == Met{{1, 8}});
    // Their addresses are still theirs.
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 0, 16) == Met{{1, 6}});
}

TEST_CASE("pages that were moved are met where they are now", "[invalidation]")
{
    Ledger ledger;
    acquire(ledger, 1, 1000, 16);
    CHECK(met_by(ledger, moved(8, 16, 1000, 16)) == Met{{1, 8}});
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 8, 100).empty());
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 1000, 4) == Met{{1, 4}});
    // Moved and shrunk: the rest is mapped nowhere.
    CHECK(met_by(ledger, moved(1004, 4, 2000, 1)) == Met{{1, 4}});
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 1000, 1001) == Met{{1, 1}});
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 0, 4000) == Met{{1, 8}});
}

TEST_CASE("what a move lands on is met, too, and not what it brings", "[invalidation]")
{
    Ledger ledger;
    acquire(ledger, 1, 1000, 16);
    InvalidationEvent event = moved(100, 4, 4, 4);
    event.replaced = event.moved_to;
    const InvalidationOutcome outcome = ledger.invalidate(event);
    REQUIRE(outcome.met.size() == 1);
    CHECK(outcome.met[0].pages == 4);
    CHECK(outcome.range == event.replaced);
    event = moved(0, 2, 8, 2);
    event.replaced = event.moved_to;
    CHECK(met_by(ledger, event) == Met{{1, 4}});
    CHECK(met_by(ledger, PW_INVALIDATION_MUNMAP, 8, 2) == Met{{1, 2}});
}

TEST_CASE("an invalidation that met pins is a conflict with them, oldest first", "[invalidation]")
{
    Ledger ledger;
    acquire(ledger, 2, 1000, 8);
    acquire(ledger, 1, 1000, 16);
    const auto event = invalidation_event(PW_INVALIDATION_MUNMAP, 4, 8);
    const auto conflict = correlate(ledger, event, ledger.invalidate(event));
    REQUIRE(conflict.has_value());
    REQUIRE(conflict->pins.size() == 2);
    CHECK(conflict->pins[0].id == 1);
    CHECK(conflict->bytes == (8 + 4) * 4096);
    CHECK(conflict->range == event.range);
    CHECK(explain(*conflict) == "the process no longer maps pages that stay pinned");
    CHECK_FALSE(correlate(ledger, event, ledger.invalidate(event)).has_value());
}

TEST_CASE("every kind of invalidation has a name", "[invalidation]")
{
    for (int kind = PW_INVALIDATION_MUNMAP; kind < PW_INVALIDATION_KINDS; ++kind) {
        CHECK(to_string(static_cast<pw_invalidation_kind>(kind)) != "unknown");
    }
}
