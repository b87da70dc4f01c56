// What an audit takes over from the daemon before.
#include <catch2/catch.hpp>

#include "support/audit_books.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

PinRecord former_pin(PinId id)
{
    PinRecord pin;
    pin.id = id;
    pin.owner.process = {42, 7};
    return pin;
}

std::vector<PageNumber> pages_of(const Ledger& ledger, PinId id)
{
    std::map<std::uint64_t, PageNumber> by_position;
    ledger.index().visit({0, 4096}, [&](const Extent& extent) {
        for (std::uint64_t i = 0; extent.pin == id && i < extent.count; ++i) {
            by_position[extent.position + i] = extent.first + i;
        }
        return true;
    });
    std::vector<PageNumber> pages;
    for (const auto& [position, page] : by_position) {
        pages.push_back(page);
    }
    return pages;
}

}  // namespace

TEST_CASE("what the daemon before knew of missing pins is taken over, each pin by itself and in its order")
{
    Books books;
    books.truth.pin({100, 4});
    books.truth.pin({102, 4});
    books.former.hold(former_pin(1), {100, 4}, 0);
    // Not in the order of the pages.
    books.former.hold(former_pin(2), {104, 2}, 0);
    books.former.hold(former_pin(2), {102, 2}, 2);
    const AuditReport report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.adopted_pins == 8);
    CHECK(report.former_pins == 8);
    CHECK(books.owners.asked.empty());
    REQUIRE(books.taken_over.size() == 2);
    for (const auto& [id, pin] : books.taken_over) {
        const std::vector<PageNumber> expected =
            pin.id == 1 ? std::vector<PageNumber>{100, 101, 102, 103} : std::vector<PageNumber>{104, 105, 102, 103};
        CHECK(pages_of(books.ledger, id) == expected);
    }
    CHECK(books.former.refreshed > 0);
}

TEST_CASE("where the daemon before knew of more pins than there are, whose they are is not taken from it")
{
    Books books;
    books.truth.pin({100, 4});
    books.former.hold(former_pin(1), {100, 4}, 0);
    books.former.hold(former_pin(2), {100, 4}, 0);
    const AuditReport report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.former_pins == 0);
    CHECK(books.taken_over.empty());
    CHECK(books.owners.asked.size() == 4);
}

TEST_CASE("where the daemon before knew of fewer pins than there are, the others are looked for, if it was told all")
{
    Books books;
    books.former.is_complete = GENERATE(true, false);
    books.truth.pin({100, 4});
    books.truth.pin({100, 4});
    books.former.hold(former_pin(1), {100, 4}, 0);
    const AuditReport report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.adopted_pins == 8);
    CHECK(report.former_pins == (books.former.is_complete ? 4 : 0));
    CHECK(books.owners.asked.size() == 4);
}

TEST_CASE("of a large folio the pages of a former pin are taken over, or so many pins where it has no list of them")
{
    Books books;
    books.truth.make_folio({512, 512});
    books.truth.pin({600, 3});
    PinRecord pin = former_pin(1);
    pin.coalesced = GENERATE(false, true);
    books.former.hold(pin, {600, 3}, 0);
    const AuditReport report = books.audit({.repair = true});
    CHECK(report.former_pins == 3);
    REQUIRE(books.taken_over.size() == 1);
    const PinId id = books.taken_over.begin()->first;
    const pw_function expected = pin.coalesced ? PW_ADOPTED_FOLIO : PW_ADOPTED;
    CHECK(books.ledger.find(id)->function == expected);
    if (!pin.coalesced) {
        CHECK(pages_of(books.ledger, id) == std::vector<PageNumber>{600, 601, 602});
    }
}
