#include "act/holds.h"

#include <catch2/catch.hpp>
#include <cerrno>

#include "support/fake_holds.h"
#include "support/fake_verdict_sink.h"
#include "support/ledgers.h"

namespace pinwarden::test {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kStart = 1000 * kMillisecond;
constexpr std::uint64_t kId = 7;

Policy holding(const std::string& driver = "")
{
    Policy policy;
    policy.name = "hold";
    policy.mode = Mode::kEnforce;
    policy.operations = {Operation::kTruncate, Operation::kUmount};
    policy.deny_errno = EBUSY;
    policy.hold = Hold{.timeout = 5000 * kMillisecond};
    if (!driver.empty()) {
        policy.pin.drivers = {driver};
    }
    return policy;
}

// Pages 3 to 14 of kFile are pinned by rdma_rxe; policies are in force.
struct Bench {
    explicit Bench(const Policy& policy = holding())
    {
        acquire_file(ledger, 5, 100, 12, 1, 3);
        REQUIRE(enforcer.apply({policy}, ledger, 0).has_value());
    }

    // Somebody truncates kFile to nothing, and is held.
    void begin(std::uint64_t id = kId, bool unresolved = false)
    {
        OperationEvent operation;
        operation.time = now;
        operation.file = kFile;
        operation.file_size = 64 * 4096;
        operation.caller = {.process = {.pid = 40, .start_time = 41}, .tid = 42, .comm = "truncate"};
        operation.verdict = PW_VERDICT_HOLD;
        operation.policy = 0;
        operation.generation = enforcer.generation();
        operation.unresolved = unresolved;
        operation.hold = id;
        sink.held.push_back({id, now, now + 5000 * kMillisecond, 1, operation});
        holds.begin(operation);
    }

    // As the kernel tells it.
    void end()
    {
        sink.held.clear();
        holds.end({.time = now, .hold = kId, .asked = 2, .outcome = PW_HOLD_PINS_GONE});
    }

    std::vector<Holds::Held> step() { return holds.step(enforcer, ledger, now); }

    // How often callers are continued within that time.
    std::size_t resumed_within(Nanoseconds span)
    {
        for (const Nanoseconds end = now + span; now < end; now += kMillisecond) {
            holds.look_again();
            step();
        }
        return sink.take_resumed();
    }

    void release()
    {
        ReleaseEvent event;
        event.mm = kMm;
        event.runs = {{100, 12}};
        ledger.release(event);
    }

    Nanoseconds now = kStart;
    Ledger ledger;
    FakeVerdictSink verdicts;
    FakePathResolver resolver;
    Enforcer enforcer{verdicts, resolver};
    FakeHolds sink;
    Holds holds{sink};
};

}  // namespace

TEST_CASE("who is held is left alone while a pin is in the way")
{
    Bench bench;
    bench.begin();
    CHECK(bench.resumed_within(4900 * kMillisecond) == 0);
    REQUIRE(bench.holds.all().size() == 1);
    CHECK(bench.holds.all().begin()->second.held.deadline == kStart + 5000 * kMillisecond);
}

TEST_CASE("when the last pin in the way is gone the caller is continued, and again while it has not gone on")
{
    Bench bench;
    bench.begin();
    bench.step();
    bench.release();
    CHECK(bench.resumed_within(15 * kMillisecond) == 1);
    // Ever less often.
    const std::size_t soon = bench.resumed_within(1000 * kMillisecond);
    CHECK(soon >= 3);
    CHECK(soon <= 6);
    bench.end();
    CHECK(bench.resumed_within(3000 * kMillisecond) == 0);
    CHECK(bench.holds.all().empty());
    CHECK_FALSE(bench.holds.next_step());
}

TEST_CASE("a pin that the policy is not about is not in the way")
{
    const auto [driver, resumed] = GENERATE(table<std::string, bool>({{"rdma_rxe", false}, {"vfio", true}}));
    Bench bench(holding(driver));
    bench.begin();
    CHECK((bench.resumed_within(100 * kMillisecond) != 0) == resumed);
}

TEST_CASE("a pin beside what a hole takes away is not in its way")
{
    const auto [offset, resumed] = GENERATE(table<std::uint64_t, bool>({{14, false}, {15, true}}));
    Bench bench;
    bench.begin();
    OperationEvent& hole = bench.sink.held.front().operation;
    hole.operation = PW_OPERATION_PUNCH_HOLE;
    hole.offset = offset * 4096;
    hole.length = 4096;
    CHECK((bench.resumed_within(100 * kMillisecond) != 0) == resumed);
}

TEST_CASE("an umount waits for each pin of the file system")
{
    const auto [device, resumed] = GENERATE(table<std::uint32_t, bool>({{0, false}, {1, true}}));
    Bench bench;
    bench.begin();
    OperationEvent& umount = bench.sink.held.front().operation;
    umount.operation = PW_OPERATION_UMOUNT;
    umount.file = {.device = kFile.device + device};
    CHECK((bench.resumed_within(100 * kMillisecond) != 0) == resumed);
}

TEST_CASE("when its time is up it is asked again, not before")
{
    Bench bench;
    bench.begin();
    CHECK(bench.resumed_within(4999 * kMillisecond) == 0);
    CHECK(bench.resumed_within(10 * kMillisecond) == 1);
}

TEST_CASE("what was held in doubt is asked again once all pins are known")
{
    Bench bench;
    bench.begin(kId, true);
    CHECK(bench.resumed_within(10 * kMillisecond) == 1);
    // The kernel decides, now without doubt, to hold it on.
    bench.sink.held.front().operation.unresolved = false;
    CHECK(bench.resumed_within(2000 * kMillisecond) == 0);
}

TEST_CASE("while a range is missing there is nothing to say about what was held in doubt")
{
    Bench bench;
    bench.ledger.range(range_event(5, 3, 20, 1));
    bench.begin(kId, true);
    CHECK(bench.resumed_within(1000 * kMillisecond) == 0);
}

TEST_CASE("while the ledger is in doubt the kernel is asked now and then")
{
    Bench bench;
    bench.begin();
    bench.ledger.lost_events();
    const std::size_t resumed = bench.resumed_within(3000 * kMillisecond);
    CHECK(resumed >= 6);
    CHECK(resumed <= 14);
}

TEST_CASE("other policies are a reason to ask again")
{
    Bench bench;
    bench.begin();
    REQUIRE(bench.enforcer.remove("hold", bench.ledger, bench.now).has_value());
    CHECK(bench.resumed_within(10 * kMillisecond) == 1);
}

TEST_CASE("somebody releases a hold by its number")
{
    Bench bench;
    bench.begin();
    bench.step();
    REQUIRE(bench.holds.release(kId, Outcome::kDeny, bench.now).has_value());
    CHECK(bench.sink.released.at(kId) == Outcome::kDeny);
    CHECK(bench.sink.resumed == std::vector{ProcessId{40, 41}});
    CHECK(bench.holds.all().at(kId).released == Outcome::kDeny);
    // It was on its way to being stopped when it was continued.
    bench.sink.take_resumed();
    CHECK(bench.resumed_within(50 * kMillisecond) >= 1);

    const auto wrong = bench.holds.release(8, Outcome::kAllow, bench.now);
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().code == ENOENT);
}

TEST_CASE("a hold whose beginning was lost is found in the kernel's table")
{
    Bench bench;
    bench.begin();
    bench.holds.end({.hold = kId});
    bench.step();
    CHECK(bench.holds.all().contains(kId));
}

TEST_CASE("a hold whose end was lost is dropped, and told to have ended")
{
    Bench bench;
    bench.begin();
    bench.step();
    bench.sink.held.clear();
    std::vector<Holds::Held> ended;
    for (const Nanoseconds end = bench.now + 2000 * kMillisecond; bench.now < end && ended.empty();
         bench.now += 10 * kMillisecond) {
        ended = bench.step();
    }
    REQUIRE(ended.size() == 1);
    CHECK(ended.front().held.id == kId);
    CHECK(bench.now >= kStart + 1000 * kMillisecond);
    CHECK(bench.holds.all().empty());
}

TEST_CASE("a caller that runs on without asking again has given up")
{
    Bench bench;
    bench.begin();
    bench.step();
    bench.sink.running = {42};
    std::vector<Holds::Held> ended;
    for (const Nanoseconds end = bench.now + 2000 * kMillisecond; bench.now < end && ended.empty();
         bench.now += 10 * kMillisecond) {
        ended = bench.step();
    }
    REQUIRE(ended.size() == 1);
    CHECK(bench.sink.forgotten == std::vector{kId});
    // Should it have come back in that moment, it asks again.
    CHECK(bench.sink.take_resumed() >= 1);
}

TEST_CASE("without a guardian whoever is held is let go")
{
    Bench bench;
    bench.begin();
    CHECK_FALSE(bench.holds.attend(bench.now));
    CHECK(bench.resumed_within(100 * kMillisecond) == 0);
    bench.sink.guarded = false;
    CHECK(bench.holds.attend(bench.now) == "the guardian is gone");
    CHECK(bench.resumed_within(10 * kMillisecond) == 1);
}

TEST_CASE("at the end everybody is let go, and nobody is held any more")
{
    Bench bench;
    bench.holds.attend(bench.now);
    CHECK(bench.sink.attended_until == bench.now + Holds::kAttendFor);
    bench.begin();
    bench.step();
    bench.holds.stop();
    CHECK(bench.sink.attended_until == 0);
    bench.step();
    CHECK(bench.sink.take_resumed() == 1);
    bench.holds.attend(bench.now);
    CHECK(bench.sink.attended_until == 0);
}

}  // namespace pinwarden::test
