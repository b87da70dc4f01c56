#include "app/engine.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <vector>

#include "support/engine_world.h"

using namespace pinwarden;
using namespace pinwarden::test;
using namespace std::string_view_literals;

namespace {

Policy deny_all(const std::string& name, Mode mode)
{
    Policy policy;
    policy.name = name;
    policy.mode = mode;
    policy.operations = {Operation::kTruncate};
    policy.deny_errno = 16;
    return policy;
}

std::uint64_t conflicts(const Engine& engine, const std::string& driver, const std::string& verdict)
{
    const auto metrics = engine.metrics();
    const auto found = metrics.conflicts.find({"truncate", driver, verdict});
    return found == metrics.conflicts.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("a pin goes from raw records to the snapshot, and its file is acknowledged", "[engine]")
{
    World world;
    world.pin_file();

    const PinBatch batch = world.engine.pins({}, 0);
    REQUIRE(batch.pins.size() == 1);
    const PinView& view = batch.pins[0];
    CHECK(view.pin.owner.process.pid == 100);
    CHECK(view.pin.driver == "rdma_rxe");
    CHECK(view.pin.bytes == 12 * 4096);
    CHECK(view.files.at(kFile).path == "/mnt/data/x");
    CHECK(view.stack.at(0) == "pin_user_pages_fast+0x5");
    CHECK(view.stack.at(1) == "rxe_mr_init_user+0x4f [rdma_rxe]");
    CHECK(view.pin.stack.empty());
    CHECK(view.pin.mm == 0);

    const auto& ack = world.sink.acks.at(kFile);
    CHECK(ack.state.complete);
    CHECK(ack.state.sequence == 1);
    CHECK(ack.state.first_page == 3);
    CHECK(ack.state.end_page == 15);
    CHECK(world.engine.metrics().pins_acquired.at("rdma_rxe") == 1);
}

TEST_CASE("a pin keeps the program and the cgroup its owner had, whatever becomes of them", "[engine]")
{
    World world;
    world.engine.step(owner_record("old\0bin\0"sv));
    world.feed(raw_pin());
    world.cgroups.gone = true;
    world.engine.step(owner_record("new\0bin\0"sv, PW_FILE_UNLINKED));
    pw_pin later = raw_pin();
    later.pin = 6;
    world.feed(later);
    world.feed(raw_exit());

    const PinBatch batch = world.engine.pins({}, 0);
    REQUIRE(batch.pins.size() == 2);
    const auto& before = batch.pins[0].pin.owner.names;
    const auto& after = batch.pins[1].pin.owner.names;
    CHECK(*before == TaskNames{"/bin/old", false, "/jobs/one", ""});
    CHECK(*after == TaskNames{"/bin/new", true, "", ""});
}

TEST_CASE("whoever runs into a pin is named with its cgroup", "[engine]")
{
    World world;
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    world.feed(World::truncate(PW_VERDICT_ALLOW, 0, 1));
    const auto notice = (*queue)->pop(std::chrono::seconds(0));
    REQUIRE(notice.has_value());
    CHECK(std::get<ConflictNotice>(notice->item->what).conflict.conflict.operation.caller.names->cgroup == "/jobs/one");
}

TEST_CASE("after the last release the file is acknowledged as free and its blocks are let go", "[engine]")
{
    World world;
    world.pin_file();
    world.feed(raw_release(100, 12));
    world.engine.flush();

    CHECK(world.engine.ledger().pins().empty());
    const auto& state = world.sink.acks.at(kFile).state;
    CHECK(state.first_page == state.end_page);
    // Those of an object were never counted.
    CHECK(world.sink.untracked.empty());
    CHECK(world.sink.unfollowed_gone == 0);
    CHECK(world.engine.metrics().pins_released.at("rdma_rxe") == 1);
}

TEST_CASE("the pages of a pin of no object are let go in the kernel's count, and so is the pin", "[engine]")
{
    World world;
    pw_pin pin = raw_pin();
    pin.scope = 0;
    pin.scope_kind = PW_SCOPE_NONE;
    world.feed(pin);
    world.engine.step(pages_record(5, 0, page_addresses({100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111})));
    pw_release release = raw_release(100, 12);
    release.scope = 0;
    release.scope_kind = PW_SCOPE_NONE;
    world.feed(release);
    CHECK(world.sink.unfollowed_gone == 0);
    world.engine.flush();
    CHECK(world.sink.untracked == std::vector<PageRun>{{100, 12}});
    CHECK(world.sink.unfollowed_gone == 1);
}

TEST_CASE("an object's later pins have the stack and the driver of its first, and go with it", "[engine]")
{
    World world;
    world.pin_file();
    pw_pin more = raw_pin();
    more.pin = 8;
    more.flags |= PW_PIN_MORE;
    more.stack_depth = 0;
    world.feed(more);
    const PinRecord& first = *world.engine.ledger().find(5);
    const PinRecord& second = *world.engine.ledger().find(8);
    CHECK(second.stack == first.stack);
    CHECK(second.driver == first.driver);
    world.feed(raw_release_object());
    CHECK(world.engine.ledger().pins().empty());
    CHECK(world.engine.metrics().pins_released.at("rdma_rxe") == 2);
}

TEST_CASE("an operation that meets the pin is a conflict of its driver, counted by verdict", "[engine]")
{
    World world;
    REQUIRE(world.engine.apply({deny_all("watch", Mode::kMonitor), deny_all("stop", Mode::kEnforce)}, false) == 2U);
    world.pin_file();

    world.feed(World::truncate(PW_VERDICT_ALLOW, 0, 2));
    world.feed(World::truncate(PW_VERDICT_WOULD_DENY, 1, 2));
    world.feed(World::truncate(PW_VERDICT_DENY, 2, 2));

    CHECK(conflicts(world.engine, "rdma_rxe", "allow") == 1);
    CHECK(conflicts(world.engine, "rdma_rxe", "would_deny") == 1);
    CHECK(conflicts(world.engine, "rdma_rxe", "deny") == 1);
    const auto policies = world.engine.snapshot().policies;
    CHECK(policies.at(0).counters.would_have_denied == 1);
    CHECK(policies.at(0).counters.denied == 0);
    CHECK(policies.at(1).counters.denied == 1);
}

TEST_CASE("a conflict with pins the ledger does not have is counted as unknown, not dropped", "[engine]")
{
    World world;
    world.feed(World::truncate(PW_VERDICT_ALLOW, 0, 1));
    CHECK(conflicts(world.engine, "unknown", "allow") == 1);
}

TEST_CASE("an invalidation is a conflict where it meets the pin, and only there", "[engine]")
{
    World world;
    world.pin_file();
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    const auto munmaps = [&] {
        const auto metrics = world.engine.metrics();
        const auto found = metrics.conflicts.find({"munmap", "rdma_rxe", "allow"});
        return found == metrics.conflicts.end() ? 0 : found->second;
    };
    auto beside = raw_invalidation();
    beside.address = raw_pin().address + 12 * 4096;
    beside.end = beside.address + 4096;
    world.feed(beside);
    auto elsewhere = raw_invalidation();
    elsewhere.space = 5;
    world.feed(elsewhere);
    CHECK(munmaps() == 0);
    CHECK(world.engine.metrics().conflicts.empty());

    world.feed(raw_invalidation());
    CHECK(munmaps() == 1);
    const auto popped = (*queue)->pop(std::chrono::seconds(0));
    REQUIRE(popped.has_value());
    REQUIRE(std::holds_alternative<InvalidationNotice>(popped->item->what));
    const InvalidationView& view = std::get<InvalidationNotice>(popped->item->what).invalidation;
    CHECK(view.operation == "munmap");
    CHECK(view.bytes == 4 * 4096);
    REQUIRE(view.pins.size() == 1);
    CHECK(view.pins[0].pin.mm == 0);
    CHECK(view.pins[0].files.at(kFile).path == "/mnt/data/x");
    CHECK(world.engine.ledger().find(5) != nullptr);
    world.feed(raw_invalidation());
    CHECK(munmaps() == 1);
}

TEST_CASE("who listens to an address space is known by its module, until it is gone", "[engine]")
{
    World world;
    world.feed(raw_notifier());
    const auto listed = world.engine.notifiers().notifiers;
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].driver == "rdma_rxe");
    CHECK(listed[0].on_demand);
    CHECK(world.engine.snapshot().on_demand_bytes == 65536);
    CHECK(world.engine.metrics().notifiers.at("rdma_rxe").ranges == 1);
    // Nothing that happens there is a conflict.
    world.feed(raw_invalidation());
    CHECK(world.engine.metrics().conflicts.empty());
    world.feed(raw_exit());
    CHECK(world.engine.notifiers().notifiers.at(0).owner_exited);
    auto gone = raw_notifier();
    gone.gone = 1;
    world.feed(gone);
    CHECK(world.engine.notifiers().notifiers.empty());
}

TEST_CASE("subscribers see pin, conflict and release in order, with names", "[engine]")
{
    World world;
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    world.pin_file();
    world.feed(World::truncate(PW_VERDICT_ALLOW, 0, 1));
    world.feed(raw_release(100, 12));

    const auto next = [&] {
        auto popped = (*queue)->pop(std::chrono::seconds(0));
        REQUIRE(popped.has_value());
        return popped->item;
    };
    const auto pinned = next();
    REQUIRE(std::holds_alternative<PinnedNotice>(pinned->what));
    CHECK(std::get<PinnedNotice>(pinned->what).pin.files.at(kFile).path == "/mnt/data/x");
    const auto conflict = next();
    REQUIRE(std::holds_alternative<ConflictNotice>(conflict->what));
    CHECK(std::get<ConflictNotice>(conflict->what).conflict.conflict.pins.size() == 1);
    const auto released = next();
    REQUIRE(std::holds_alternative<ReleasedNotice>(released->what));
    CHECK(std::get<ReleasedNotice>(released->what).fully);
}

TEST_CASE("a pin is announced before the conflict it is in, also when both come at once", "[engine]")
{
    World world;
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    std::vector<std::uint64_t> addresses;
    for (PageNumber page = 100; page < 112; ++page) {
        addresses.push_back(page_address(page));
    }
    world.feed(raw_pin());
    world.feed(raw_range());
    world.engine.step(pages_record(5, 0, addresses));
    world.feed(World::truncate(PW_VERDICT_ALLOW, 0, 0));
    world.engine.flush();
    const auto first = (*queue)->pop(std::chrono::seconds(0));
    const auto second = (*queue)->pop(std::chrono::seconds(0));
    REQUIRE(first.has_value());
    REQUIRE(second.has_value());
    CHECK(std::holds_alternative<PinnedNotice>(first->item->what));
    CHECK(std::holds_alternative<ConflictNotice>(second->item->what));
}

TEST_CASE("a pin that waits for its page list is announced once it is complete", "[engine]")
{
    World world;
    const auto queue = world.fanout.subscribe();
    REQUIRE(queue.has_value());
    world.feed(raw_pin());
    world.engine.flush();
    CHECK_FALSE((*queue)->pop(std::chrono::seconds(0)).has_value());
    // The list never comes: after a second it is announced without.
    world.clock.time += 2'000'000'000;
    world.engine.flush();
    CHECK((*queue)->pop(std::chrono::seconds(0)).has_value());
}

TEST_CASE("a record that does not hold together makes the ledger uncertain and is said", "[engine]")
{
    World world;
    Bytes broken = bytes_of(raw_pin());
    broken.resize(40);
    world.engine.step(broken);
    CHECK_FALSE(world.engine.ledger().certain());
    CHECK(world.warnings.size() == 1);
    CHECK_FALSE(world.engine.metrics().ledger_certain);
}

TEST_CASE("losses the ledger suffers from are warned of by cause, doubts are not", "[engine]")
{
    const auto [counter, harmless] = GENERATE(table<pw_counter, bool>({{PW_LOST_PIN, false},
                                                                       {PW_LOST_RELEASE, false},
                                                                       {PW_LOST_PAGES, false},
                                                                       {PW_LOST_OPERATION, true},
                                                                       {PW_DOUBT_RANGE_FALLBACK, true},
                                                                       {PW_DOUBT_PATH_CUT, true}}));
    World world;
    KernelHealth health;
    health.counters.at(counter) = 1;
    world.engine.tick(health);
    CHECK(world.warnings.empty() == harmless);
    world.engine.tick(health);
    CHECK(world.warnings.size() == (harmless ? 0 : 1));
}

TEST_CASE("a loss is noticed with the next records, not with the next tick, and mended once", "[engine]")
{
    World world;
    world.pin_file();
    world.sink.counted_losses = 1;
    world.engine.flush();
    CHECK_FALSE(world.engine.ledger().certain());
    REQUIRE(world.engine.next_tick());
    CHECK(*world.engine.next_tick() == world.clock.time + 100'000'000);
    world.clock.time = *world.engine.next_tick();
    world.engine.tick({});
    world.finish_audits();
    CHECK(world.engine.ledger().certain());
    // What each cause lost becomes known later, and is the same loss.
    KernelHealth health;
    health.counters.at(PW_LOST_PIN) = 1;
    world.engine.tick(health);
    CHECK(world.engine.ledger().certain());
}

TEST_CASE("while hooks are switched off the ledger is uncertain, and it is mended when they are on again", "[engine]")
{
    World world;
    world.pin_file();
    KernelHealth health;
    health.switched_off = true;
    health.times_switched_off = 1;
    for (int look = 0; look < 20; ++look) {
        world.clock.time += 1'000'000'000;
        world.engine.tick(health);
        world.finish_audits();
        CHECK_FALSE(world.engine.ledger().certain());
    }
    // Once of the switch, once of the loss.
    CHECK(world.warnings.size() == 2);
    const auto losses = world.engine.metrics().losses;
    CHECK(std::ranges::any_of(losses,
                              [](const LossState& loss) { return loss.cause == "switched_off" && loss.count == 1; }));
    health.switched_off = false;
    world.engine.tick(health);
    world.finish_audits();
    CHECK_FALSE(world.engine.ledger().certain());
    world.clock.time += 1'000'000'000;
    world.engine.tick();
    world.finish_audits();
    CHECK(world.engine.ledger().certain());
}

TEST_CASE("what was told of the kernel's side is kept while only time passes", "[engine]")
{
    World world;
    world.pin_file();
    KernelHealth health;
    health.hooks.push_back({"unpin_user_page", "release", true, "", 3});
    health.counters.at(PW_LOST_OPERATION) = 7;
    world.engine.tick(health);
    world.finish_audits();
    world.engine.tick();
    world.finish_audits();
    CHECK(world.engine.metrics().hooks.size() == 1);
    const auto losses = world.engine.metrics().losses;
    CHECK(std::ranges::any_of(
        losses, [](const LossState& loss) { return loss.cause == "ring_full_operation" && loss.count == 7; }));
    // A loss that the kernel has only counted so far is mended all the same.
    world.sink.counted_losses = 1;
    world.engine.tick();
    CHECK_FALSE(world.engine.ledger().certain());
    REQUIRE(world.engine.next_tick().has_value());
    world.clock.time = *world.engine.next_tick();
    world.engine.tick();
    world.finish_audits();
    CHECK(world.engine.ledger().certain());
}

TEST_CASE("a refused policy changes nothing, a checked one neither", "[engine]")
{
    World world;
    REQUIRE(world.engine.apply({deny_all("one", Mode::kEnforce)}, false) == 2U);
    CHECK(world.engine.apply({deny_all("two", Mode::kEnforce)}, true) == 2U);
    Policy bad = deny_all("bad", Mode::kEnforce);
    bad.operations.clear();
    CHECK_FALSE(world.engine.apply({bad}, false).has_value());
    CHECK(world.engine.snapshot().policies.size() == 1);
    CHECK(world.sink.generation == 2);
    CHECK(world.engine.remove("nobody").error().code == ENOENT);
    CHECK(world.engine.remove("one") == 3U);
}

TEST_CASE("an operation that is not held cannot be released", "[engine]")
{
    World world;
    CHECK(world.engine.holds().holds.empty());
    const auto released = world.engine.release_hold(7, Outcome::kAllow);
    REQUIRE_FALSE(released.has_value());
    CHECK(released.error().code == ENOENT);
    CHECK(released.error().message == "no operation is held as number 7; none is held");
}
