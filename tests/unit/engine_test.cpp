#include "app/engine.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <vector>

#include "support/fake_owners.h"
#include "support/fake_page_truth.h"
#include "support/fake_processes.h"
#include "support/fake_verdict_sink.h"
#include "support/records.h"

using namespace pinwarden;
using namespace pinwarden::test;
using namespace std::string_view_literals;

namespace {

class ManualClock final : public Clock {
public:
    Nanoseconds time = 2000;  // just after what the synthetic records say
    [[nodiscard]] Nanoseconds now() const override { return time; }
    [[nodiscard]] Nanoseconds boot_to_unix() const override { return 5; }
};

// Names every address as the given stack does, innermost first.
class FixedNames final : public StackNamer {
public:
    Frame name(std::uint64_t address) override
    {
        return address == raw_pin().stack[0] ? Frame{"pin_user_pages_fast", "", 5}
                                             : Frame{"rxe_mr_init_user", "rdma_rxe", 0x4f};
    }
};

// One cgroup, that of raw_task(), as long as it exists.
class FixedCgroups final : public CgroupNamer {
public:
    bool gone = false;
    std::string path(std::uint64_t id) override { return id == raw_task().cgroup && !gone ? "/jobs/one" : ""; }
};

// The pipeline with everything around it faked, fed with raw records.
struct World {
    ManualClock clock;
    FakeVerdictSink sink;
    FakePathResolver paths;
    FakePageTruth truth;
    FakeProcesses processes;
    FakeOwners owners;
    FixedNames names;
    FixedCgroups cgroups;
    Fanout fanout{4, 64};
    std::vector<std::string> warnings;
    Bytes on_its_way;
    Engine engine{{.clock = clock,
                   .verdicts = sink,
                   .paths = paths,
                   .truth = truth,
                   .processes = processes,
                   .owners = owners,
                   .names = names,
                   .cgroups = cgroups,
                   .fanout = fanout,
                   .log_warning = [this](const std::string& text) { warnings.push_back(text); }},
                  kGeometry,
                  "6.1.0-test",
                  {.leak_after = 5'000'000'000, .long_lived_after = 3'000'000'000}};

    World() { REQUIRE(engine.apply({}, false).has_value()); }

    template <typename T>
    void feed(const T& record)
    {
        engine.step(bytes_of(record));
    }

    // A pin of pages 100..111 on file pages 3..14.
    void pin_file()
    {
        engine.step(file_record("x\0data\0mnt\0"sv));
        feed(raw_pin());
        feed(raw_range());
        std::vector<std::uint64_t> addresses;
        for (PageNumber page = 100; page < 112; ++page) {
            addresses.push_back(page_address(page));
        }
        engine.step(pages_record(5, 0, addresses));
        engine.flush();
    }

    void finish_audits()
    {
        while (const auto next = engine.next_audit_step()) {
            clock.time = std::max(clock.time, *next);
            engine.step_audit();
        }
    }

    static pw_operation truncate(pw_verdict verdict, std::uint32_t slot_plus_one, std::uint32_t generation)
    {
        pw_operation operation = raw_operation();
        operation.verdict = verdict;
        operation.matched = slot_plus_one == 0 ? 0 : 1ULL << (slot_plus_one - 1);
        operation.policy = slot_plus_one;
        operation.error = slot_plus_one == 0 ? 0 : -16;
        operation.generation = generation;
        operation.unresolved = 0;
        return operation;
    }
};

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

    const Snapshot snapshot = world.engine.snapshot(true);
    REQUIRE(snapshot.pins.size() == 1);
    const PinView& view = snapshot.pins[0];
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

    const Snapshot snapshot = world.engine.snapshot(true);
    REQUIRE(snapshot.pins.size() == 2);
    const auto& before = snapshot.pins[0].pin.owner.names;
    const auto& after = snapshot.pins[1].pin.owner.names;
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
    CHECK(world.sink.untracked == std::vector<PageRun>{{100, 12}});
    CHECK(world.engine.metrics().pins_released.at("rdma_rxe") == 1);
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
    const auto policies = world.engine.snapshot(false).policies;
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
    CHECK(world.engine.snapshot(false).on_demand_bytes == 65536);
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
    CHECK(world.engine.snapshot(true).pins.at(0).pin.leak);
    CHECK_FALSE(world.engine.next_tick().has_value());

    pw_release release = raw_release(100, 12);
    release.header.time = 10 * kSecond;
    world.feed(release);
    const Histogram times = world.engine.metrics().orphan_releases;
    CHECK(times.sum == 7);
    CHECK(times.counts.at(6) == 1);
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
    CHECK(world.engine.snapshot(true).pins.empty());
    CHECK(world.engine.snapshot(false).pin_count == 0);
    CHECK(world.engine.snapshot(false).pinned_bytes == 0);
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
        const Snapshot snapshot = world.engine.snapshot(true);
        REQUIRE(snapshot.pins.size() == 1);
        CHECK(snapshot.pins[0].pin.long_lived);
        CHECK_FALSE(snapshot.pins[0].pin.long_term);
        CHECK(snapshot.pins[0].pin.driver == "rdma_rxe");
        CHECK(snapshot.pinned_bytes == 3 * 4096);
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
        CHECK(world.engine.snapshot(false).pinned_bytes == 0);
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

TEST_CASE("a refused policy changes nothing, a checked one neither", "[engine]")
{
    World world;
    REQUIRE(world.engine.apply({deny_all("one", Mode::kEnforce)}, false) == 2U);
    CHECK(world.engine.apply({deny_all("two", Mode::kEnforce)}, true) == 2U);
    Policy bad = deny_all("bad", Mode::kEnforce);
    bad.operations.clear();
    CHECK_FALSE(world.engine.apply({bad}, false).has_value());
    CHECK(world.engine.snapshot(false).policies.size() == 1);
    CHECK(world.sink.generation == 2);
    CHECK(world.engine.remove("nobody").error().code == ENOENT);
    CHECK(world.engine.remove("one") == 3U);
}
