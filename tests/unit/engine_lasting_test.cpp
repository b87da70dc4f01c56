// What becomes of pins with time: failures, orphans, losses and their repair, brief ones that last, adopted ones.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <vector>

#include "support/engine_world.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("a failed pin is counted by driver and leaves no trace in the ledger", "[engine]")
{
    World world;
    pw_pin pin = raw_pin();
    pin.error = -14;
    pin.pinned_pages = 0;
    world.feed(pin);
    CHECK(world.engine.metrics().pins_failed.at({"rdma_rxe", EFAULT}) == 1);
    CHECK(world.engine.ledger().pins().empty());
}

TEST_CASE("failed pins are announced, and the last ones are kept", "[engine]")
{
    World world;
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    pw_pin pin = raw_pin();
    pin.pinned_pages = 0;
    for (std::uint64_t i = 1; i <= FailureLog::kKept + 3; ++i) {
        pin.requested_pages = i;
        pin.error = i % 2 == 0 ? -ENOMEM : -EFAULT;
        world.feed(pin);
    }
    const FailureList list = world.engine.failures();
    CHECK(list.total == FailureLog::kKept + 3);
    REQUIRE(list.failures.size() == FailureLog::kKept);
    CHECK(list.failures.front().pages == 4);
    const FailedPin& last = list.failures.back();
    CHECK(last.pages == FailureLog::kKept + 3);
    CHECK(last.error == EFAULT);
    CHECK(last.driver == "rdma_rxe");
    CHECK(last.owner.process.pid == 100);
    CHECK(last.writable);
    CHECK(last.stack.at(1) == "rxe_mr_init_user+0x4f [rdma_rxe]");
    CHECK(world.engine.metrics().pins_failed.at({"rdma_rxe", ENOMEM}) == (FailureLog::kKept + 3) / 2);

    const auto told = (*queue)->pop(std::chrono::seconds(0));
    REQUIRE(told.has_value());
    REQUIRE(std::holds_alternative<FailedNotice>(told->item->what));
    CHECK(std::get<FailedNotice>(told->item->what).failure.pages == 1);
}

TEST_CASE("a pin is an orphan from its owner's exit on, then a leak, and the time to its release is kept", "[engine]")
{
    constexpr Nanoseconds kSecond = 1'000'000'000;
    World world;
    world.pin_file();
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    const auto next = [&] {
        auto popped = (*queue)->pop(std::chrono::seconds(0));
        REQUIRE(popped.has_value());
        return popped->item;
    };
    pw_exit exit = raw_exit();
    exit.header.time = 3 * kSecond;
    world.feed(exit);
    const auto orphaned = next();
    REQUIRE(std::holds_alternative<OrphanedNotice>(orphaned->what));
    CHECK(orphaned->time == 3 * kSecond);
    CHECK(std::get<OrphanedNotice>(orphaned->what).pin.driver_frame == "rxe_mr_init_user+0x4f [rdma_rxe]");
    CHECK(world.engine.next_tick() == 8 * kSecond);
    CHECK(world.engine.metrics().orphans.at("rdma_rxe").orphans.bytes == 12 * 4096);
    CHECK(world.engine.metrics().oldest_orphan == 3 * kSecond + 5);

    world.clock.time = 8 * kSecond - 1;
    world.engine.tick({});
    CHECK(world.engine.metrics().orphans.at("rdma_rxe").leaks.pins == 0);
    world.clock.time = 8 * kSecond;
    world.engine.tick({});
    CHECK(world.engine.metrics().orphans.at("rdma_rxe").leaks.pins == 1);
    CHECK(std::holds_alternative<LeakNotice>(next()->what));
    CHECK(world.engine.pins({}, 0).pins.at(0).pin.leak);
    CHECK_FALSE(world.engine.next_tick().has_value());

    pw_release release = raw_release(100, 12);
    release.header.time = 10 * kSecond;
    world.feed(release);
    const Histogram times = world.engine.metrics().orphan_releases;
    CHECK(times.sum == 7);
    CHECK(times.counts.at(4) == 1);
    CHECK(world.engine.metrics().orphans.empty());
    CHECK(world.engine.metrics().oldest_orphan == 0);
}

TEST_CASE("an owner whose exit got lost is noticed", "[engine]")
{
    World world;
    world.pin_file();
    world.engine.tick({});
    CHECK_FALSE(world.engine.ledger().find(5)->owner_exited);
    world.processes.dead.insert(world.engine.ledger().find(5)->owner.process);
    world.engine.tick({});
    world.clock.time += OwnerCheck::kBelieveAfter;
    world.engine.tick({});
    CHECK(world.engine.ledger().find(5)->owner_exited);
    CHECK(world.engine.ledger().find(5)->orphaned == world.clock.time);
}

TEST_CASE("after a loss nothing is trusted, until an audit has made it good", "[engine]")
{
    World world;
    world.pin_file();
    world.truth.pin({100, 12});
    world.truth.objects = {raw_pin().scope};
    CHECK(world.sink.trusted == 0U);

    if (GENERATE(true, false)) {
        world.sink.counted_losses = 3;
    } else {
        Bytes broken = bytes_of(raw_pin());
        broken.resize(40);
        world.engine.step(broken);
    }
    world.engine.tick({});
    // While events get lost nothing is mended.
    CHECK_FALSE(world.engine.next_audit_step());
    world.clock.time += 200'000'000;
    world.engine.tick({});
    CHECK_FALSE(world.engine.ledger().certain());
    CHECK_FALSE(world.sink.trusted);
    const std::uint64_t losses = world.sink.counted_losses;

    SECTION("made good")
    {
        world.finish_audits();
        CHECK(world.engine.ledger().certain());
        CHECK(world.sink.trusted == losses);
        // The file's own state was told before.
        CHECK(world.sink.calls.back() == "trust after " + std::to_string(losses));
    }
    SECTION("more is lost while the audit looks")
    {
        world.truth.before_look = [&] { world.sink.counted_losses = losses + 1; };
        world.finish_audits();
        CHECK_FALSE(world.engine.ledger().certain());
        CHECK_FALSE(world.sink.trusted);
        world.truth.before_look = {};
        world.clock.time += 20'000'000'000;
        world.engine.tick({});
        world.finish_audits();
        CHECK(world.sink.trusted == losses + 1);
    }
}

TEST_CASE("from a loss on releases are told by folio, until no pin from before is left", "[engine]")
{
    World world;
    world.pin_file();
    world.truth.pin({100, 12});
    world.truth.objects = {raw_pin().scope};
    CHECK_FALSE(world.sink.by_folio);
    world.sink.counted_losses = 1;
    world.engine.flush();
    CHECK(world.sink.by_folio);
    world.clock.time += 200'000'000;
    world.engine.tick({});
    world.finish_audits();
    world.engine.tick({});
    REQUIRE(world.engine.ledger().certain());
    CHECK(world.sink.by_folio);
    pw_pin later = raw_pin();
    later.pin = 6;
    later.pinned_pages = 1;
    world.feed(later);
    world.engine.step(pages_record(6, 0, std::vector<std::uint64_t>{page_address(300)}));
    world.feed(raw_release(100, 11));
    world.engine.tick({});
    CHECK(world.sink.by_folio);
    world.feed(raw_release(111, 1));
    world.engine.tick({});
    CHECK(world.engine.ledger().pins().size() == 1);
    CHECK_FALSE(world.sink.by_folio);
}

TEST_CASE("while memory is searched for pins from before the start releases are told by folio", "[engine]")
{
    World world;
    if (GENERATE(true, false)) {
        world.engine.adopt_what_is_pinned();
        world.engine.step_audit();
        CHECK(world.sink.by_folio);
        world.finish_audits();
        world.engine.tick({});
        CHECK_FALSE(world.sink.by_folio);
    } else {
        world.truth.pin({100, 2});
        world.truth.first_adopted = 5;
        world.truth.on_adopt = [&](const std::vector<PageNumber>&, bool) { world.on_its_way = bytes_of(raw_pin()); };
        world.engine.adopt_what_is_pinned();
        while (const auto next = world.engine.next_audit_step()) {
            world.clock.time = std::max(world.clock.time, *next);
            world.engine.step_audit();
            if (!world.on_its_way.empty()) {
                world.engine.step(std::exchange(world.on_its_way, {}));
                world.engine.step(pages_record(5, 0, std::vector{page_address(100), page_address(101)}));
            }
        }
        world.engine.tick({});
        CHECK(world.engine.ledger().pins().size() == 1);
        CHECK(world.sink.by_folio);
    }
}

TEST_CASE("a file that was found by its pages gets its path from where its file system is mounted", "[engine]")
{
    World world;
    world.pin_file();
    const FileKey key{42, 8U << 20U | 1U, 9};
    const auto path = [&] { return world.engine.ledger().find_file(key)->path; };
    // 8:1, as the kernel's side writes it.
    constexpr std::string_view kWithDevice = "x\0data\0/aaiaaaab\0"sv;
    world.engine.step(file_record(kWithDevice, PW_FILE_PATH_CUT));
    CHECK(path() == ".../data/x");
    world.paths.mountpoints[8U << 20U | 1U] = "/mnt";
    world.engine.step(file_record(kWithDevice, PW_FILE_PATH_CUT));
    CHECK(path() == "/mnt/data/x");
    CHECK(world.engine.ledger().find_file(key)->pinned_path == "/mnt/data/x");
    world.engine.step(file_record("x\0data\0"sv, PW_FILE_PATH_CUT));
    CHECK(path() == ".../data/x");
}

TEST_CASE("a brief pin is nobody's business until it has lasted", "[engine]")
{
    constexpr Nanoseconds kSecond = 1'000'000'000;
    World world;
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    pw_pin pin = raw_pin();
    pin.flags = 0;
    pin.scope = pin.scope_kind = 0;
    pin.pinned_pages = 4;
    pin.header.time = kSecond;
    world.feed(pin);
    world.engine.step(pages_record(5, 0, page_addresses({100, 101, 102, 200})));
    pw_release part = raw_release(200, 1);
    part.scope = part.scope_kind = 0;
    world.feed(part);
    world.engine.tick({});
    CHECK(world.engine.pins({}, 0).pins.empty());
    CHECK(world.engine.snapshot().pin_count == 0);
    CHECK(world.engine.snapshot().pinned_bytes == 0);
    CHECK(world.engine.metrics().totals.empty());
    CHECK(world.engine.next_tick() == 4 * kSecond);
    CHECK_FALSE((*queue)->pop(std::chrono::seconds(0)).has_value());

    SECTION("it ends")
    {
        pw_release rest = raw_release(100, 3);
        rest.scope = rest.scope_kind = 0;
        world.feed(rest);
        world.clock.time = 4 * kSecond;
        world.engine.tick({});
        CHECK(world.engine.ledger().pins().empty());
        CHECK(world.truth.recorded.empty());
        CHECK(world.engine.metrics().pins_acquired.empty());
        CHECK(world.engine.metrics().pins_released.empty());
        CHECK_FALSE((*queue)->pop(std::chrono::seconds(0)).has_value());
        CHECK_FALSE(world.engine.next_tick().has_value());
    }
    SECTION("it lasts")
    {
        world.clock.time = 4 * kSecond;
        world.engine.tick({});
        REQUIRE(world.truth.recorded.size() == 1);
        CHECK(world.truth.recorded[0] == FakePageTruth::Recorded{5, 0x7f0000000000, {100, 101, 102}});
        world.engine.step(file_record("x\0data\0mnt\0"sv));
        pw_range range = raw_range();
        range.pages = 3;
        world.feed(range);
        world.engine.flush();
        const PinBatch batch = world.engine.pins({}, 0);
        REQUIRE(batch.pins.size() == 1);
        CHECK(batch.pins[0].pin.long_lived);
        CHECK_FALSE(batch.pins[0].pin.long_term);
        CHECK(batch.pins[0].pin.driver == "rdma_rxe");
        CHECK(world.engine.snapshot().pinned_bytes == 3 * 4096);
        CHECK(world.sink.acks.at(kFile).state.end_page == 6);
        const auto told = (*queue)->pop(std::chrono::seconds(0));
        REQUIRE(told.has_value());
        CHECK(std::get<PinnedNotice>(told->item->what).pin.files.at(kFile).path == "/mnt/data/x");

        pw_release rest = raw_release(100, 3);
        rest.scope = rest.scope_kind = 0;
        world.feed(rest);
        world.engine.flush();
        CHECK(world.engine.metrics().pins_acquired.at("rdma_rxe") == 1);
        CHECK(world.engine.metrics().pins_released.at("rdma_rxe") == 1);
        CHECK(world.engine.snapshot().pinned_bytes == 0);
        CHECK(world.engine.ledger().certain());
    }
    SECTION("it ends before its files are told")
    {
        world.clock.time = 4 * kSecond;
        world.engine.tick({});
        pw_release rest = raw_release(100, 3);
        rest.scope = rest.scope_kind = 0;
        world.feed(rest);
        world.feed(raw_range());
        world.engine.flush();
        CHECK(world.engine.ledger().certain());
        CHECK(world.sink.acks.at(kFile).state.complete);
        CHECK(world.sink.acks.at(kFile).state.first_page == world.sink.acks.at(kFile).state.end_page);
    }
}

TEST_CASE("an adopted pin has the owner that was found, and is its orphan when that one goes", "[engine]")
{
    World world;
    world.truth.pin({100, 2});
    world.truth.first_adopted = 4;
    Task owner{{300, 70'000'000}, 300, 1000, 1000, 0, "found", {}};
    world.owners.owners = {{100, owner}, {101, owner}};
    world.engine.adopt_what_is_pinned();
    world.truth.on_adopt = [&](const std::vector<PageNumber>&, bool) {
        pw_pin pin{};
        pin.header = {PW_KIND_PIN, sizeof(pin), 3000};
        pin.pin = 5;
        pin.requested_pages = pin.pinned_pages = 2;
        pin.function = PW_ADOPTED;
        pin.flags = PW_PIN_LONGTERM;
        world.on_its_way = bytes_of(pin);
    };
    while (const auto next = world.engine.next_audit_step()) {
        world.clock.time = std::max(world.clock.time, *next);
        world.engine.step_audit();
        if (!world.on_its_way.empty()) {
            world.engine.step(std::exchange(world.on_its_way, {}));
            world.engine.step(pages_record(5, 0, page_addresses({100, 101})));
        }
    }
    const PinRecord* pin = world.engine.ledger().find(5);
    REQUIRE(pin != nullptr);
    CHECK(pin->inferred);
    CHECK(pin->owner.comm == "found");
    CHECK(pin->mm == 0);

    pw_exit exit = raw_exit();
    exit.pid = 300;
    exit.start_time = 81'234'567;
    world.feed(exit);
    CHECK_FALSE(pin->owner_exited);
    exit.start_time = 70'000'001;
    world.feed(exit);
    CHECK(pin->owner_exited);
    world.feed(raw_release(100, 2));
    CHECK(world.engine.ledger().pins().empty());
}
