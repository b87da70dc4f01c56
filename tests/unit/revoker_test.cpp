#include "act/revoker.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <map>
#include <set>

#include "proc/pidfd_signals.h"
#include "support/child_process.h"
#include "support/fake_signals.h"
#include "support/test_clock.h"

namespace pinwarden::test {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

constexpr ProcessId kOwner{101, 7};
constexpr ProcessId kOther{102, 8};

// A revoker with what it needs, and a policy that asks with SIGUSR1 and then kills.
struct Bench {
    Bench() { clock.time = 1000 * kSecond; }

    static Revocation revocation(std::vector<SignalVictim> victims, std::optional<Requester> asked_by = {})
    {
        for (SignalVictim& victim : victims) {
            victim.held = {.pins = {5}, .bytes = 4096, .drivers = {"vfio"}};
        }
        const Revoke revoke{.notify = SIGUSR1, .grace = 5 * kSecond, .then = {{SIGKILL, 0}}};
        return Revocation({.policy = "p",
                           .generation = 3,
                           .plan = plan_of(revoke),
                           .victims = std::move(victims),
                           .operation = {.operation = "truncate", .file = "/mnt/x", .caller = {}},
                           .asked_by = asked_by});
    }

    std::vector<ActReport> step(Revocation& revocation)
    {
        return revoker.step(revocation, [this](const ProcessId& id) { return !released.contains(id); });
    }

    // The only report of a step.
    ActReport only(Revocation& revocation)
    {
        auto reports = step(revocation);
        REQUIRE(reports.size() == 1);
        return reports.front();
    }

    Happenings happenings;
    FakeSignals signals{happenings};
    FakeAuditLog log{happenings};
    TestClock clock;
    TokenBuckets buckets{0, {3, 15 * kSecond}, {4, 5 * kSecond}};
    Revoker revoker{{signals, log, buckets, clock}, ProtectedProcesses::with({"precious"}).value()};
    std::set<ProcessId> released;
};

}  // namespace

TEST_CASE("a signal is on the record before it is sent, and completed after", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    bench.signals.add(kOther);  // a bystander
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}}, Requester{.uid = 1001, .pid = 99});
    bench.log.meanwhile = [&] { bench.clock.time += 40; };
    const ActReport report = bench.only(revocation);
    CHECK(report.outcome == ActOutcome::kSent);
    CHECK(report.reason.empty());
    CHECK(report.victim->comm == "worker");
    CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "send 101 SIGUSR1", "complete sent"});

    const SignalEntry& entry = bench.log.entries.at(0);
    CHECK(entry.policy == "p");
    CHECK(entry.generation == 3);
    CHECK(entry.rule == "revoke.notify");
    CHECK(entry.signal == SIGUSR1);
    CHECK(entry.target == SignalTarget::kOwners);
    CHECK(entry.victim.process == kOwner);
    CHECK(entry.victim.executable == "/usr/bin/worker");
    CHECK(entry.operation.operation == "truncate");
    CHECK(entry.operation.file == "/mnt/x");
    CHECK(entry.held.pins == std::vector<PinId>{5});
    REQUIRE(entry.asked_by);
    CHECK(entry.asked_by->uid == 1001);
    CHECK(bench.log.outcomes.at(1).took == 40);
    CHECK(bench.log.outcomes.at(1).reason.empty());
}

TEST_CASE("owners that let go are signalled no more, the others are", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    bench.signals.add(kOther);
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}, {.process = kOther, .held = {}}});
    CHECK(bench.step(revocation).size() == 2);
    bench.released.insert(kOwner);
    bench.clock.time += 5 * kSecond;
    const ActReport report = bench.only(revocation);
    CHECK(report.act.process == kOther);
    CHECK(report.act.signal == SIGKILL);
    bench.released.insert(kOther);
    CHECK(bench.step(revocation).empty());
    CHECK(revocation.end() == RevocationEnd::kReleased);
    CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "send 101 SIGUSR1", "complete sent", "begin 102 SIGUSR1",
                                         "send 102 SIGUSR1", "complete sent", "begin 102 SIGKILL", "send 102 SIGKILL",
                                         "complete sent"});
}

TEST_CASE("without its record no signal is sent, and no token is spent", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    bench.log.full = true;
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}});
    for (int i = 0; i < 5; ++i) {
        const ActReport report = bench.only(revocation);
        CHECK(report.outcome == ActOutcome::kFailed);
        CHECK_THAT(report.reason, Catch::StartsWith("audit log: no space left; no signal is sent without its record"));
        bench.clock.time += kSecond;
    }
    CHECK(bench.happenings.empty());
    // There is room again: the owner is asked, not killed.
    bench.log.full = false;
    CHECK(bench.only(revocation).act.signal == SIGUSR1);
    CHECK(bench.happenings.size() == 3);
}

TEST_CASE("a record that cannot be completed does not hide that the signal was sent", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    bench.log.incomplete = true;
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}});
    const ActReport report = bench.only(revocation);
    CHECK(report.outcome == ActOutcome::kSent);
    CHECK(report.reason == "audit log: not completed");
}

TEST_CASE("a protected owner is not signalled", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner).executable = "/usr/sbin/sshd";
    bench.signals.add(kOther).executable = "/opt/precious";
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}, {.process = kOther, .held = {}}});
    const auto reports = bench.step(revocation);
    REQUIRE(reports.size() == 2);
    CHECK(reports[0].outcome == ActOutcome::kProtected);
    CHECK(reports[0].reason == "/usr/sbin/sshd is always protected: the machine needs it");
    CHECK(reports[1].outcome == ActOutcome::kProtected);
    CHECK(bench.step(revocation).empty());
    CHECK(revocation.end() == RevocationEnd::kSpared);
    CHECK(bench.happenings.empty());
}

TEST_CASE("nor is one that has become protected while its record was written", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    bench.log.meanwhile = [&] { bench.signals.processes[kOwner].executable = "/usr/sbin/sshd"; };
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}});
    CHECK(bench.only(revocation).outcome == ActOutcome::kProtected);
    CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "complete protected"});
}

TEST_CASE("an owner that has ended is gone, whenever that is seen", "[revoker]")
{
    Bench bench;
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}});
    SECTION("at first sight")
    {
        CHECK(bench.only(revocation).outcome == ActOutcome::kGone);
        CHECK(bench.happenings.empty());
    }
    SECTION("another process has its pid")
    {
        bench.signals.add({kOwner.pid, kOwner.start_time + 1});
        CHECK(bench.only(revocation).outcome == ActOutcome::kGone);
        CHECK(bench.happenings.empty());
    }
    SECTION("while it is taken down")
    {
        ProcessFacts& facts = bench.signals.add(kOwner);
        facts.executable.clear();
        facts.exiting = true;
        CHECK(bench.only(revocation).outcome == ActOutcome::kGone);
        CHECK(bench.happenings.empty());
    }
    SECTION("while its record was written")
    {
        bench.signals.add(kOwner);
        bench.log.meanwhile = [&] { bench.signals.processes.clear(); };
        CHECK(bench.only(revocation).outcome == ActOutcome::kGone);
        CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "complete gone"});
    }
    SECTION("at the very last moment")
    {
        bench.signals.add(kOwner);
        bench.signals.answer = SignalOutcome{SignalOutcome::Kind::kGone};
        CHECK(bench.only(revocation).outcome == ActOutcome::kGone);
        CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "complete gone"});
    }
    CHECK_FALSE(revocation.end());
    bench.released.insert(kOwner);
    CHECK(bench.step(revocation).empty());
    CHECK(revocation.end() == RevocationEnd::kAnswered);
    // None of that counts as a signal.
    for (int i = 0; i < 3; ++i) {
        CHECK(bench.buckets.take("p", bench.clock.time) == TokenBuckets::Taken::kOk);
    }
}

TEST_CASE("what cannot be told, or not be sent, is a failure", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    Revocation revocation = Bench::revocation({{.process = kOwner, .held = {}}});
    SECTION("what it is cannot be read")
    {
        bench.signals.unreadable = Error{"too many open files", EMFILE};
        CHECK(bench.only(revocation).reason == "too many open files");
        CHECK(bench.happenings.empty());
    }
    SECTION("it is refused")
    {
        bench.signals.answer = SignalOutcome{SignalOutcome::Kind::kRefused, "not permitted"};
        CHECK(bench.only(revocation).reason == "not permitted");
        CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "complete failed"});
        CHECK(bench.log.outcomes.at(1).reason == "not permitted");
    }
    SECTION("it is an error")
    {
        bench.signals.answer = fail("broken", EIO);
        CHECK(bench.only(revocation).reason == "broken");
        CHECK(bench.happenings == Happenings{"begin 101 SIGUSR1", "complete failed"});
    }
    bench.clock.time += kSecond;
    CHECK(bench.only(revocation).outcome == ActOutcome::kFailed);
}

TEST_CASE("when a bucket is empty, signalling ends", "[revoker]")
{
    Bench bench;
    for (std::uint32_t pid = 201; pid <= 205; ++pid) {
        bench.signals.add({pid, 1});
    }
    SECTION("that of the policy")
    {
        Revocation revocation = Bench::revocation({{.process = {201, 1}, .held = {}},
                                                   {.process = {202, 1}, .held = {}},
                                                   {.process = {203, 1}, .held = {}},
                                                   {.process = {204, 1}, .held = {}},
                                                   {.process = {205, 1}, .held = {}}});
        const auto reports = bench.step(revocation);
        REQUIRE(reports.size() == 4);
        CHECK(reports[2].outcome == ActOutcome::kSent);
        CHECK(reports[3].outcome == ActOutcome::kLimited);
        CHECK(reports[3].reason == "policy p has sent as many signals as may be sent in so short a time");
        CHECK(revocation.end() == RevocationEnd::kLimited);
        CHECK(bench.happenings.size() == 9);
        bench.clock.time += 1000 * kSecond;
        CHECK(bench.step(revocation).empty());
        CHECK(bench.happenings.size() == 9);
    }
    SECTION("that of all together")
    {
        for (int i = 0; i < 3; ++i) {
            bench.buckets.take("q", bench.clock.time);
        }
        Revocation revocation =
            Bench::revocation({{.process = {201, 1}, .held = {}}, {.process = {202, 1}, .held = {}}});
        const auto reports = bench.step(revocation);
        REQUIRE(reports.size() == 2);
        CHECK(reports[0].outcome == ActOutcome::kSent);
        CHECK(reports[1].outcome == ActOutcome::kLimited);
        CHECK(reports[1].reason == "all policies have sent as many signals as may be sent in so short a time");
    }
}

TEST_CASE("owners that are not known for certain are reported, and left alone", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    bench.signals.add(kOther);
    Revocation revocation = Bench::revocation({{.process = {0, 0}, .held = {}},
                                               {.process = kOwner, .inferred = true, .held = {}},
                                               {.process = kOther, .held = {}}});
    const auto reports = bench.step(revocation);
    REQUIRE(reports.size() == 3);
    CHECK(reports[0].outcome == ActOutcome::kUnknownOwner);
    CHECK(reports[0].act.process.pid == 0);
    CHECK(reports[1].outcome == ActOutcome::kInferredOwner);
    CHECK(reports[1].act.process == kOwner);
    CHECK(reports[2].outcome == ActOutcome::kSent);
    CHECK(bench.happenings == Happenings{"begin 102 SIGUSR1", "send 102 SIGUSR1", "complete sent"});
    bench.clock.time += 5 * kSecond;
    CHECK(bench.only(revocation).act.process == kOther);
}

TEST_CASE("a caller that owns the pins itself is an owner like others", "[revoker]")
{
    Bench bench;
    bench.signals.add(kOwner);
    Task caller;
    caller.process = kOwner;
    Revocation revocation({.policy = "p",
                           .plan = plan_of(SignalAction{SignalTarget::kOwners, {{SIGTERM, 0}}}),
                           .victims = {{.process = kOwner, .held = {}}},
                           .operation = {.operation = "truncate", .file = "/mnt/x", .caller = caller}});
    CHECK(bench.only(revocation).act.signal == SIGTERM);
    CHECK(bench.log.entries.at(0).operation.caller.process == kOwner);
}

TEST_CASE("real processes: the victim is made to let go, the bystander is not touched", "[revoker]")
{
    Bench bench;
    PidfdSignals signals(true);
    Revoker revoker({signals, bench.log, bench.buckets, bench.clock}, ProtectedProcesses());
    ChildProcess victim;
    const ChildProcess bystander;
    const ProcessId id = victim.id();
    // It had that pid earlier.
    ProcessId earlier = bystander.id();
    earlier.start_time -= kTick;
    Revocation revocation = Bench::revocation({{.process = id, .held = {}}, {.process = earlier, .held = {}}});
    const auto pinning = [](const ProcessId&) { return true; };
    std::map<ProcessId, ActOutcome> outcomes;
    for (const ActReport& report : revoker.step(revocation, pinning)) {
        outcomes[report.act.process] = report.outcome;
    }
    CHECK(outcomes == std::map<ProcessId, ActOutcome>{{id, ActOutcome::kSent}, {earlier, ActOutcome::kGone}});
    CHECK(victim.wait() == SIGUSR1);
    CHECK(bystander.lives());
}

}  // namespace pinwarden::test
