#include "act/revocations.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "support/fake_signals.h"
#include "support/fake_verdict_sink.h"
#include "support/ledgers.h"

namespace pinwarden::test {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

class TestClock final : public Clock {
public:
    Nanoseconds time = 1000 * kSecond;
    [[nodiscard]] Nanoseconds now() const override { return time; }
    [[nodiscard]] Nanoseconds boot_to_unix() const override { return 0; }
};

Policy revoking()
{
    Policy policy;
    policy.name = "revoke";
    policy.mode = Mode::kEnforce;
    policy.operations = {Operation::kTruncate};
    policy.deny_errno = EBUSY;
    policy.hold = Hold{.timeout = 60 * kSecond};
    policy.hold->revoke = Revoke{.notify = SIGUSR1, .grace = kSecond, .then = {{.signal = SIGKILL, .wait = 0}}};
    return policy;
}

// Pages 3 to 14 of kFile are pinned.
struct Bench {
    Bench()
    {
        acquire_file(ledger, 5, 100, 12, 1, 3);
        owner_ = ledger.find(5)->owner.process;
        signals.add(owner_);
    }

    [[nodiscard]] ProcessId owner() const { return owner_; }

    static HeldOperation held(std::uint64_t id, std::uint64_t size = 0)
    {
        HeldOperation one;
        one.id = id;
        one.operation.file = kFile;
        one.operation.file_size = 64 * 4096;
        one.operation.offset = size;
        one.operation.hold = id;
        return one;
    }

    RevocationNews step(const std::vector<HeldOperation>& holds)
    {
        for (const HeldOperation& one : holds) {
            revocations.want(one, policy, ledger, [] { return std::string("/mnt/x"); }, clock.time);
        }
        return revocations.step(ledger, clock.time);
    }

    void release()
    {
        ReleaseEvent event;
        event.mm = kMm;
        event.runs = {{100, 12}};
        ledger.release(event);
    }

    Happenings take_happenings() { return std::exchange(happenings, {}); }

    Policy policy = revoking();
    Ledger ledger;
    TestClock clock;
    Happenings happenings;
    FakeSignals signals{happenings};
    FakeAuditLog log{happenings};
    TokenBuckets buckets{0};
    Revoker revoker{{signals, log, buckets, clock}, ProtectedProcesses()};
    Revocations revocations{revoker};
    ProcessId owner_;
};

Happenings sent(std::uint32_t pid, const std::string& signal)
{
    const std::string words = std::to_string(pid) + " " + signal;
    return {"begin " + words, "send " + words, "complete sent"};
}

}  // namespace

TEST_CASE("an owner is asked once, however many wait for its file")
{
    Bench bench;
    const auto news = bench.step({Bench::held(1), Bench::held(2), Bench::held(3)});
    REQUIRE(news.acts.size() == 1);
    CHECK(news.acts.front().first.policy == "revoke");
    CHECK(news.acts.front().first.operation.file == "/mnt/x");
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGUSR1"));
    CHECK(bench.step({Bench::held(1), Bench::held(2)}).acts.empty());
    CHECK(bench.revocations.next() == bench.clock.time + kSecond);
}

TEST_CASE("what is not in the way of the operation is nobody's to let go")
{
    Bench bench;
    // The first page that stays is behind the last that is pinned.
    CHECK(bench.step({Bench::held(1, 15 * 4096)}).acts.empty());
    bench.policy.pin.drivers = {"vfio"};
    CHECK(bench.step({Bench::held(1)}).acts.empty());
    CHECK(bench.take_happenings().empty());
}

TEST_CASE("it ends when the pins are gone, which is told once")
{
    Bench bench;
    bench.step({Bench::held(1)});
    bench.clock.time += kSecond / 2;
    bench.release();
    const auto news = bench.step({});
    REQUIRE(news.ended.size() == 1);
    CHECK(news.ended.front().revocation.end() == RevocationEnd::kAnswered);
    CHECK(news.ended.front().known.at(bench.owner()).comm == "worker");
    CHECK(bench.step({}).ended.empty());
    CHECK_FALSE(bench.revocations.next());
}

TEST_CASE("when nobody waits any more nobody is signalled any more")
{
    Bench bench;
    bench.step({Bench::held(1)});
    bench.take_happenings();
    bench.clock.time += 5 * kSecond;
    bench.step({});
    CHECK(bench.take_happenings().empty());
    // Whoever comes then begins anew.
    bench.step({Bench::held(2)});
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGUSR1"));
}

TEST_CASE("after the grace it is insisted, and a killed owner's pins are waited for")
{
    Bench bench;
    bench.step({Bench::held(1)});
    bench.take_happenings();
    bench.clock.time += kSecond;
    bench.step({Bench::held(1)});
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGKILL"));
    bench.signals.processes.clear();
    bench.clock.time += 3 * kSecond;
    CHECK(bench.step({Bench::held(1)}).ended.empty());
    const ProcessId owner = bench.owner();
    bench.release();
    const auto news = bench.step({Bench::held(1)});
    REQUIRE(news.ended.size() == 1);
    CHECK(news.ended.front().revocation.end() == RevocationEnd::kReleased);
    REQUIRE(news.ended.front().revocation.victims().size() == 1);
    const Revocation::Victim& victim = news.ended.front().revocation.victims().front();
    CHECK(victim.who.process == owner);
    CHECK(victim.took(victim.sent.back()) == 3 * kSecond);
}

TEST_CASE("one that let go does not keep others from being asked who come later")
{
    Bench bench;
    bench.step({Bench::held(1)});
    bench.release();
    acquire_file(bench.ledger, 6, 300, 2, 2, 4);
    CHECK(bench.step({Bench::held(1)}).ended.size() == 1);
    bench.take_happenings();
    bench.step({Bench::held(1)});
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGUSR1"));
}

TEST_CASE("a policy without a revocation asks nobody")
{
    Bench bench;
    bench.policy.hold->revoke.reset();
    CHECK(bench.step({Bench::held(1)}).acts.empty());
    CHECK(bench.take_happenings().empty());
}

TEST_CASE("a policy whose signals are used up is told")
{
    Bench bench;
    bench.buckets = TokenBuckets(0, {.tokens = 1, .refill_every = 1000 * kSecond});
    bench.step({Bench::held(1)});
    bench.clock.time += kSecond;
    const auto news = bench.step({Bench::held(1)});
    CHECK(news.limited == std::vector<std::string>{"revoke"});
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGUSR1"));
}

namespace {

Policy signalling(SignalTarget target)
{
    Policy policy = revoking();
    policy.hold.reset();
    policy.deny_errno = 0;
    policy.signal =
        SignalAction{.target = target, .signals = {{.signal = SIGTERM, .wait = kSecond}, {.signal = SIGKILL}}};
    return policy;
}

MetOperation truncate_by(const ProcessId& caller)
{
    MetOperation operation;
    operation.operation = "truncate";
    operation.caller.process = caller;
    return operation;
}

}  // namespace

TEST_CASE("owners are signalled about what went ahead, to the end or until they let go")
{
    Bench bench;
    bench.policy = signalling(SignalTarget::kOwners);
    const auto signal = [&] {
        bench.revocations.signal(bench.policy, 3, truncate_by({77, 7}), kFile, {bench.ledger.find(5)});
    };
    signal();
    bench.revocations.step(bench.ledger, bench.clock.time);
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGTERM"));
    CHECK(bench.log.entries.back().generation == 3);
    CHECK(bench.log.entries.back().rule == "signal.signals[0]");
    // Once more, while it is under way: nothing more for that.
    signal();
    bench.revocations.step(bench.ledger, bench.clock.time);
    CHECK(bench.take_happenings().empty());
    bench.clock.time += kSecond;
    SECTION("to the end")
    {
        bench.revocations.step(bench.ledger, bench.clock.time);
        CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGKILL"));
        bench.release();
        const auto news = bench.revocations.step(bench.ledger, bench.clock.time);
        REQUIRE(news.ended.size() == 1);
        CHECK(news.ended.front().revocation.end() == RevocationEnd::kReleased);
    }
    SECTION("until they let go")
    {
        bench.release();
        const auto news = bench.revocations.step(bench.ledger, bench.clock.time);
        REQUIRE(news.ended.size() == 1);
        CHECK(bench.take_happenings().empty());
    }
    SECTION("until the policy is another")
    {
        bench.revocations.drop_signals("another");
        CHECK_FALSE(bench.revocations.empty());
        bench.revocations.drop_signals("revoke");
        bench.revocations.step(bench.ledger, bench.clock.time);
        CHECK(bench.take_happenings().empty());
    }
    if (!bench.revocations.empty()) {
        bench.release();
        bench.revocations.step(bench.ledger, bench.clock.time);
    }
    CHECK(bench.revocations.empty());
}

TEST_CASE("a caller is signalled as long as it runs, whatever becomes of the pins")
{
    Bench bench;
    const ProcessId caller{77, 7};
    bench.signals.add(caller);
    bench.policy = signalling(SignalTarget::kCaller);
    bench.revocations.signal(bench.policy, 3, truncate_by(caller), kFile, {bench.ledger.find(5)});
    bench.revocations.step(bench.ledger, bench.clock.time);
    CHECK(bench.take_happenings() == sent(77, "SIGTERM"));
    CHECK(bench.log.entries.back().target == SignalTarget::kCaller);
    CHECK(bench.log.entries.back().held.pins == std::vector<PinId>{5});
    bench.release();
    bench.clock.time += kSecond;
    SECTION("it runs on")
    {
        bench.revocations.step(bench.ledger, bench.clock.time);
        CHECK(bench.take_happenings() == sent(77, "SIGKILL"));
        bench.signals.processes.clear();
        bench.clock.time += kSecond;
    }
    SECTION("it has ended")
    {
        bench.signals.processes.clear();
    }
    CHECK(bench.revocations.step(bench.ledger, bench.clock.time).ended.size() == 1);
    CHECK(bench.take_happenings().empty());
    CHECK(bench.revocations.empty());
}

TEST_CASE("a caller that has ended is not signalled, which is told")
{
    Bench bench;
    bench.policy = signalling(SignalTarget::kCaller);
    bench.revocations.signal(bench.policy, 3, truncate_by({77, 7}), kFile, {bench.ledger.find(5)});
    const auto news = bench.revocations.step(bench.ledger, bench.clock.time);
    REQUIRE(news.acts.size() == 1);
    CHECK(news.acts.front().second.outcome == ActOutcome::kGone);
    CHECK(bench.take_happenings().empty());
    bench.clock.time += kSecond;
    bench.revocations.step(bench.ledger, bench.clock.time);
    CHECK(bench.revocations.empty());
}

TEST_CASE("two callers are signalled each, also about the same file")
{
    Bench bench;
    bench.policy = signalling(SignalTarget::kCaller);
    for (const std::uint32_t pid : {77U, 78U}) {
        bench.signals.add({pid, 7});
        bench.revocations.signal(bench.policy, 3, truncate_by({pid, 7}), kFile, {bench.ledger.find(5)});
    }
    CHECK(bench.revocations.step(bench.ledger, bench.clock.time).acts.size() == 2);
}

TEST_CASE("an owner's answer is kept, and changes nothing of what is sent to it")
{
    Bench bench;
    const RevocationIntent intent = GENERATE(RevocationIntent::kLettingGo, RevocationIntent::kCannot);
    const auto begun = bench.step({Bench::held(1)});
    REQUIRE(begun.begun.size() == 1);
    const std::uint64_t id = begun.begun.front().order().id;
    REQUIRE(id == 1);
    bench.take_happenings();
    const auto entry = bench.revocations.acknowledge(id, bench.owner().pid, intent, bench.clock.time + 1);
    REQUIRE(entry);
    REQUIRE(*entry);
    CHECK((*entry)->revocation == id);
    CHECK((*entry)->policy == "revoke");
    CHECK((*entry)->intent == intent);
    CHECK((*entry)->owner.process == bench.owner());
    CHECK((*entry)->owner.comm == "worker");
    CHECK((*entry)->operation.file == "/mnt/x");
    CHECK((*entry)->held.pins == std::vector<PinId>{5});
    // The same again is no news.
    const auto again = bench.revocations.acknowledge(id, bench.owner().pid, intent, bench.clock.time + 2);
    REQUIRE(again);
    CHECK_FALSE(*again);
    // The ladder goes on as if nothing had been said.
    CHECK(bench.revocations.next() == bench.clock.time + kSecond);
    bench.clock.time += kSecond;
    bench.step({Bench::held(1)});
    CHECK(bench.take_happenings() == sent(bench.owner().pid, "SIGKILL"));
    bench.release();
    const auto news = bench.step({Bench::held(1)});
    REQUIRE(news.ended.size() == 1);
    CHECK(news.ended.front().revocation.end() == RevocationEnd::kReleased);
    const auto& answer = news.ended.front().revocation.victims().front().answer;
    REQUIRE(answer);
    CHECK(answer->intent == intent);
    CHECK(answer->time == bench.clock.time - kSecond + 1);
}

TEST_CASE("only an owner that is asked, and only while it is, can answer")
{
    Bench bench;
    const auto answer = [&](std::uint64_t id, std::uint32_t pid) {
        return bench.revocations.acknowledge(id, pid, RevocationIntent::kCannot, bench.clock.time);
    };
    CHECK(answer(1, bench.owner().pid).error().code == ENOENT);
    bench.step({Bench::held(1)});
    CHECK(answer(2, bench.owner().pid).error().code == ENOENT);
    CHECK(answer(1, bench.owner().pid + 1).error().code == EPERM);
    CHECK(answer(1, 0).error().code == EPERM);
    // Its number may be that of another process by now.
    auto process = bench.signals.processes.extract(bench.owner());
    CHECK(answer(1, bench.owner().pid).error().code == EPERM);
    bench.signals.processes.insert(std::move(process));
    CHECK(answer(1, bench.owner().pid));
    bench.release();
    bench.step({Bench::held(1)});
    CHECK(answer(1, bench.owner().pid).error().code == ENOENT);
    // What comes after has another number.
    acquire_file(bench.ledger, 6, 100, 12, 1, 3);
    const auto next = bench.step({Bench::held(1)});
    REQUIRE(next.begun.size() == 1);
    CHECK(next.begun.front().order().id == 2);
}

TEST_CASE("an owner may change its mind, a few times")
{
    Bench bench;
    bench.step({Bench::held(1)});
    for (unsigned i = 0; i < Revocation::kMostAnswers; ++i) {
        const auto intent = i % 2 == 0 ? RevocationIntent::kLettingGo : RevocationIntent::kCannot;
        const auto entry = bench.revocations.acknowledge(1, bench.owner().pid, intent, bench.clock.time);
        REQUIRE(entry);
        CHECK(*entry);
    }
    CHECK(bench.revocations.acknowledge(1, bench.owner().pid, RevocationIntent::kLettingGo, bench.clock.time)
              .error()
              .code == EUSERS);
    // What it said last, it may say again.
    CHECK(bench.revocations.acknowledge(1, bench.owner().pid, RevocationIntent::kCannot, bench.clock.time));
}

}  // namespace pinwarden::test
