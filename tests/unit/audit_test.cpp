#include "ledger/audit.h"

#include <catch2/catch.hpp>

#include "support/audit_books.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("an audit of a ledger that is right finds nothing")
{
    Books books;
    acquire(books.ledger, 1, 100, 80);
    acquire(books.ledger, 2, 120, 4);
    books.truth.pin({100, 80});
    books.truth.pin({120, 4});
    const AuditReport report = books.audit();
    CHECK(report.exact);
    CHECK(report.differing_folios == 0);
    CHECK(report.ledger_pages == 80);
    CHECK(report.scanned_pages == books.truth.pages_there_are);
    CHECK(report.anonymous.pins == 84);
    CHECK(report.anonymous.ledger_pins == 84);
}

TEST_CASE("an audit finds pins the kernel has not")
{
    Books books;
    acquire(books.ledger, 7, 100, 10);
    books.truth.pin({100, 7});

    AuditReport report = books.audit();
    CHECK_FALSE(report.exact);
    CHECK(report.differing_folios == 3);
    CHECK(report.surplus_pins == 3);
    CHECK(report.missing_pins == 0);
    REQUIRE(report.differences.size() == 3);
    CHECK(report.differences[0].state.page == 107);
    CHECK(report.differences[0].ledger_pins == 1);
    CHECK(report.differences[0].holders == std::vector<PinId>{7});
    CHECK(books.ledger.held({100, 10}) == 10);

    report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.dropped_pins == 3);
    CHECK(report.adopted_pins == 0);
    CHECK(books.ledger.held({100, 10}) == 7);
    CHECK(books.audit().exact);
}

TEST_CASE("an audit finds pins the ledger has not, and adopts them")
{
    Books books;
    acquire(books.ledger, 7, 100, 10);
    books.truth.pin({100, 10});
    books.truth.pin({500, 3});
    books.truth.pin({104, 1}, 2);
    books.truth.full = 2;

    AuditReport report = books.audit();
    CHECK(report.missing_pins == 5);
    CHECK(report.surplus_pins == 0);

    report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.adopted_pins == 5);
    CHECK(books.ledger.held({500, 3}) == 3);
    CHECK(books.ledger.held({104, 1}) == 3);
    CHECK(books.audit().exact);
}

TEST_CASE("an audit of the ledger's pages only does not find what the ledger never had")
{
    Books books;
    acquire(books.ledger, 7, 100, 10);
    books.truth.pin({100, 10});
    books.truth.pin({500, 3});
    const AuditReport report = books.audit({.whole_memory = false});
    CHECK(report.exact);
    CHECK(report.scanned_pages == 0);
}

TEST_CASE("the pins of a large folio are compared as one number")
{
    Books books;
    books.truth.make_folio({512, 512});
    acquire(books.ledger, 1, 600, 16);
    SECTION("equal")
    {
        books.truth.pin({600, 16});
        CHECK(books.audit().exact);
    }
    SECTION("more in the kernel: which pages is not known, and any of them will do when they are released")
    {
        books.truth.pin({600, 24});
        const AuditReport report = books.audit({.repair = true});
        CHECK(report.exact);
        CHECK(report.adopted_pins == 8);
        REQUIRE(books.truth.adopted.size() == 1);
        CHECK(books.truth.adopted[0].second);
        ReleaseEvent release;
        release.runs = {{512, 8}};
        release.span = 512;
        books.ledger.release(release);
        books.truth.unpin({600, 8});
        CHECK(books.ledger.held({512, 512}) == 16);
        CHECK(known(books.ledger) == std::vector<PinId>{1});
        CHECK(books.audit().exact);
    }
    SECTION("fewer in the kernel")
    {
        books.truth.pin({600, 5});
        const AuditReport report = books.audit({.repair = true});
        CHECK(report.exact);
        CHECK(report.dropped_pins == 11);
        CHECK(books.ledger.held({512, 512}) == 5);
    }
}

TEST_CASE("what is under way while an audit looks is no difference")
{
    Books books;
    acquire(books.ledger, 1, 100, 10);
    books.truth.pin({100, 8});
    books.truth.before_look = [&books] {
        if (books.truth.looks == 3) {
            books.truth.pin({108, 2});
        }
    };
    const AuditReport report = books.audit();
    CHECK(report.exact);
    CHECK(report.surplus_pins == 0);
}

TEST_CASE("pages that never rest are said to be unsettled")
{
    Books books;
    acquire(books.ledger, 1, 100, 1);
    books.truth.before_look = [&books] { books.truth.pin({100, 1}, 2); };
    const AuditReport report = books.audit({.repair = true});
    CHECK_FALSE(report.exact);
    CHECK(report.unsettled_folios == 1);
    CHECK(report.differing_folios == 0);
    CHECK(report.dropped_pins + report.adopted_pins == 0);
}

TEST_CASE("a repair lets go of pages whose lists were lost")
{
    Books books;
    books.ledger.pin(pin_event(1, 1200), "rdma_rxe");
    books.ledger.pages(pages_event(1, {{100, 512}}));
    PagesEvent last = pages_event(1, {{2000, 176}});
    last.first = 1024;
    books.ledger.pages(last);
    CHECK_FALSE(books.ledger.certain());
    books.truth.pin({100, 512});
    books.truth.pin({2000, 176});
    books.truth.pin({3000, 512});
    books.clock.set(20 * kASecond);

    const AuditReport report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.dropped_pins == 512);
    CHECK(report.adopted_pins == 512);
    CHECK(books.ledger.pinned_bytes() == 1200 * 4096);

    ReleaseEvent release;
    release.mm = kMm;
    release.runs = {{100, 512}, {2000, 176}};
    books.ledger.release(release);
    CHECK(books.ledger.find(1) == nullptr);
}

TEST_CASE("after a repair a file's state is complete again although records of it were lost")
{
    Books books;
    acquire_file(books.ledger, 1, 100, 4, 1, 0);
    acquire_file(books.ledger, 2, 200, 4, 5, 8);
    books.truth.pin({100, 4});
    books.truth.pin({200, 4});
    CHECK_FALSE(books.ledger.file_state(kFile).complete);
    books.truth.sequences = {{kFile, 5}};
    CHECK(books.audit({.repair = true}).exact);
    const FileState state = books.ledger.file_state(kFile);
    CHECK(state.complete);
    CHECK(state.sequence == 5);
    CHECK(pages_of(state) == Pages{0, 12});
}

TEST_CASE("after a loss only a pin's object vouches for its owner")
{
    Books books;
    acquire(books.ledger, 1, 100, 10);
    PinEvent event = pin_event(2, 10);
    event.scope = {PW_SCOPE_RDMA_REGION, 8};
    books.ledger.pin(event, "rdma_rxe");
    books.ledger.pages(pages_event(2, {{100, 10}}));
    books.truth.pin({100, 10}, 2);
    books.truth.objects = {8};
    const bool lost = GENERATE(true, false);
    const AuditReport report = books.audit({.repair = true, .lost = lost});
    CHECK(report.exact);
    CHECK(report.adopted_pins == (lost ? 10 : 0));
    CHECK(books.ledger.held({100, 10}) == 20);
    CHECK((books.ledger.find(1) == nullptr) == lost);
    CHECK(books.ledger.find(2) != nullptr);
}

TEST_CASE("a repair drops the pins of objects that are no more, whatever the counts say")
{
    Books books;
    const auto acquire_for = [&books](PinId id, std::uint64_t object) {
        PinEvent event = pin_event(id, 10, kMm, object != 0);
        event.scope = {object == 0 ? PW_SCOPE_NONE : PW_SCOPE_RDMA_REGION, object};
        books.ledger.pin(event, "rdma_rxe");
        books.ledger.pages(pages_event(id, {{100, 10}}));
    };
    acquire_for(1, 7);
    acquire_for(2, 8);
    acquire_for(3, 0);  // brief
    // The releases of two were lost, and so were two other acquisitions: the counts are right by chance.
    books.truth.pin({100, 10}, 3);
    books.truth.objects = {8};
    SECTION("only a repair asks for the objects")
    {
        CHECK(books.audit().exact);
        CHECK(known(books.ledger) == std::vector<PinId>{1, 2, 3});
    }
    SECTION("then the other's pins are adopted")
    {
        const AuditReport report = books.audit({.repair = true});
        CHECK(report.exact);
        CHECK(report.dropped_pins == 20);
        CHECK(report.adopted_pins == 20);
        CHECK(known(books.ledger).front() == 2);
        CHECK(known(books.ledger).at(1) > 1000);
    }
}

TEST_CASE("what a call that is under way has pinned is not adopted before it returns")
{
    Books books;
    books.truth.pin({100, 10});
    std::uint32_t asked = 0;
    const CallUnderWay call{7, 8};
    SECTION("it returns, and reports its pin")
    {
        books.truth.under_way = [&] {
            if (++asked == 30) {
                acquire(books.ledger, 1, 100, 10);
            }
            return asked < 30 ? std::vector{call} : std::vector<CallUnderWay>();
        };
        const AuditReport report = books.audit({.soon = true, .repair = true});
        CHECK(report.exact);
        CHECK(report.missing_pins == 0);
        CHECK(known(books.ledger) == std::vector<PinId>{1});
    }
    SECTION("it does not return: then it is not waited for beyond reason")
    {
        books.truth.under_way = [&] { return std::vector{call}; };
        const AuditReport report = books.audit({.soon = true, .repair = true});
        CHECK(report.exact);
        CHECK(report.adopted_pins == 10);
        CHECK(report.took >= 1'500'000'000);
    }
    SECTION("calls that began later are not waited for")
    {
        books.truth.under_way = [&] {
            ++asked;
            return std::vector<CallUnderWay>{{asked, 1}, {asked + 1, 1}};
        };
        const AuditReport report = books.audit({.soon = true, .repair = true});
        CHECK(report.exact);
        CHECK(report.adopted_pins == 10);
        CHECK(report.took < 500'000'000);
    }
}

TEST_CASE("what a call that is under way has let go is not dropped before it returns")
{
    Books books;
    acquire(books.ledger, 1, 100, 10);
    books.truth.pin({100, 4});
    std::uint32_t asked = 0;
    const CallUnderWay call{7, 8};
    SECTION("it returns, and reports the release")
    {
        books.truth.under_way = [&] {
            if (++asked == 30) {
                books.truth.unpin({100, 4});
                books.ledger.release(release_event({{100, 10}}));
            }
            return asked < 30 ? std::vector{call} : std::vector<CallUnderWay>();
        };
        const AuditReport report = books.audit({.soon = true, .repair = true});
        CHECK(report.exact);
        CHECK(report.surplus_pins == 0);
        CHECK(known(books.ledger).empty());
    }
    SECTION("it does not return: then it is not waited for beyond reason")
    {
        books.truth.under_way = [&] { return std::vector{call}; };
        const AuditReport report = books.audit({.soon = true, .repair = true});
        CHECK(report.exact);
        CHECK(report.dropped_pins == 6);
        CHECK(books.ledger.held({100, 10}) == 4);
    }
}

TEST_CASE("what was adopted while a call was about to let it go is let go with it")
{
    Books books;
    books.truth.pin({100, 10});
    // Reported its release when nobody tracked the pages, and takes long to do it.
    bool goes_on = true;
    books.truth.under_way = [&] { return goes_on ? std::vector<CallUnderWay>{{7, 8}} : std::vector<CallUnderWay>(); };
    int looks = 0;
    books.truth.before_look = [&] {
        if (books.adopted > 0 && ++looks == 3) {
            books.truth.unpin({100, 10});
            goes_on = false;
        }
    };
    const AuditReport report = books.audit({.soon = true, .repair = true});
    CHECK(report.exact);
    CHECK(report.adopted_pins == 10);
    CHECK(report.dropped_pins == 10);
    CHECK(known(books.ledger).empty());
}

TEST_CASE("what is adopted is kept apart by owner")
{
    Books books;
    books.truth.pin({500, 4});
    books.truth.pin({501, 1});
    const auto task = [](std::uint32_t pid) { return Task{{pid, 1}, pid, 0, 0, 0, "x", {}}; };
    books.owners.owners = {{500, task(7)}, {501, task(8)}, {503, task(7)}};
    const AuditReport report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.adopted_pins == 5);
    CHECK(report.inferred_pins == 4);
    CHECK(books.owners.asked.size() == 4);
    std::map<std::vector<PageNumber>, std::uint32_t> found;
    for (std::size_t i = 0; i < books.truth.adopted.size(); ++i) {
        const auto owner = books.inferred.find(1001 + i);
        found[books.truth.adopted[i].first] = owner == books.inferred.end() ? 0 : owner->second.process.pid;
    }
    CHECK(found == std::map<std::vector<PageNumber>, std::uint32_t>{{{500, 503}, 7}, {{501}, 8}, {{502}, 0}});
    CHECK(books.audit().exact);
}

TEST_CASE("what was let go while owners were looked for is not adopted")
{
    Books books;
    books.truth.pin({500, 2});
    books.owners.meanwhile = [&books] { books.truth.unpin({501, 1}); };
    const AuditReport report = books.audit({.repair = true});
    CHECK(report.exact);
    CHECK(report.adopted_pins == 1);
    CHECK(books.ledger.held({500, 2}) == 1);
}
