#include "act/revocation.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <set>

namespace pinwarden {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kStart = 1000 * kSecond;

constexpr ProcessId kFirst{101, 7};
constexpr ProcessId kSecondOne{102, 8};

const Revoke kRevoke{.notify = SIGUSR1, .grace = 5 * kSecond, .then = {{SIGTERM, 3 * kSecond}, {SIGKILL, 0}}};

using Sends = std::vector<std::pair<std::uint32_t, int>>;  // pid, signal

// A revocation, and who still pins.
struct Bench {
    explicit Bench(std::vector<SignalVictim> victims, const Revoke& revoke = kRevoke, RevocationLimits limits = {})
        : revocation({.policy = "p", .plan = plan_of(revoke), .victims = std::move(victims), .operation = {}}, limits)
    {
        for (const auto& victim : revocation.victims()) {
            pinning.insert(victim.who.process);
        }
    }

    // One step at that many seconds; all that was to be sent was, but for those with another outcome.
    Sends step(double seconds)
    {
        const Nanoseconds now = at(seconds);
        Sends sends;
        for (const Act& act : revocation.step(now, [&](const ProcessId& id) { return pinning.contains(id); })) {
            sends.emplace_back(act.process.pid, act.signal);
            const auto other = outcomes.find(act.process);
            revocation.done(act, other == outcomes.end() ? ActOutcome::kSent : other->second, now);
            acts.push_back(act);
        }
        return sends;
    }

    static Nanoseconds at(double seconds)
    {
        return kStart + static_cast<Nanoseconds>(seconds * static_cast<double>(kSecond));
    }
    [[nodiscard]] double next() const
    {
        const auto next = revocation.next();
        REQUIRE(next);
        return *next < kStart ? -1 : static_cast<double>(*next - kStart) / static_cast<double>(kSecond);
    }

    Revocation revocation;
    std::set<ProcessId> pinning;
    std::map<ProcessId, ActOutcome> outcomes;
    std::vector<Act> acts;
};

SignalVictim owner(const ProcessId& process)
{
    return {.process = process, .held = {.pins = {process.pid}, .bytes = 4096, .drivers = {"vfio"}}};
}

}  // namespace

TEST_CASE("a policy's signals become a plan", "[revocation]")
{
    const SignalPlan asking = plan_of(kRevoke);
    CHECK(asking.target == SignalTarget::kOwners);
    CHECK(asking.before == 0);
    REQUIRE(asking.signals.size() == 3);
    CHECK(asking.signals[0].rule == "revoke.notify");
    CHECK(asking.signals[0].asks);
    CHECK(asking.signals[0].wait == 5 * kSecond);
    CHECK(asking.signals[1].rule == "revoke.then[0]");
    CHECK_FALSE(asking.signals[1].asks);
    CHECK(asking.signals[1].wait == 3 * kSecond);
    CHECK(asking.signals[2].rule == "revoke.then[2]");
    CHECK(asking.signals[2].wait == kSettle);

    const SignalPlan silent = plan_of(Revoke{.notify = {}, .grace = 2 * kSecond, .then = {{SIGKILL, 0}}}, kSecond);
    CHECK(silent.before == 2 * kSecond);
    REQUIRE(silent.signals.size() == 1);
    CHECK(silent.signals[0].wait == kSecond);

    const SignalPlan caller = plan_of(SignalAction{SignalTarget::kCaller, {{SIGTERM, kSecond}, {SIGKILL, 0}}});
    CHECK(caller.target == SignalTarget::kCaller);
    CHECK(caller.before == 0);
    REQUIRE(caller.signals.size() == 2);
    CHECK(caller.signals[1].rule == "signal.signals[2]");
}

TEST_CASE("an owner that lets go when asked is left alone", "[revocation]")
{
    Bench bench({owner(kFirst)});
    CHECK_FALSE(bench.revocation.begun());
    CHECK(bench.step(0) == Sends{{101, SIGUSR1}});
    CHECK(bench.revocation.begun());
    CHECK(bench.next() == 5);
    CHECK(bench.step(4.9).empty());
    bench.pinning.clear();
    CHECK(bench.step(5).empty());
    CHECK(bench.revocation.end() == RevocationEnd::kAnswered);
    CHECK_FALSE(bench.revocation.next());
    CHECK_FALSE(bench.revocation.insisted());
    const auto& victim = bench.revocation.victims().front();
    CHECK(victim.took(victim.sent.front()) == 5 * kSecond);
    // That is the end of it, whatever is pinned later.
    bench.pinning.insert(kFirst);
    CHECK(bench.step(100).empty());
    CHECK(bench.acts.size() == 1);
}

TEST_CASE("one that does not is made to, and its release is waited for", "[revocation]")
{
    Bench bench({owner(kFirst)});
    bench.step(0);
    CHECK(bench.step(5) == Sends{{101, SIGTERM}});
    CHECK(bench.next() == 8);
    CHECK(bench.step(7.9).empty());
    CHECK(bench.step(8) == Sends{{101, SIGKILL}});
    CHECK(bench.next() == 38);
    // It is dead, its pins are not gone.
    CHECK(bench.step(20).empty());
    CHECK_FALSE(bench.revocation.end());
    bench.pinning.clear();
    CHECK(bench.step(30).empty());
    CHECK(bench.revocation.end() == RevocationEnd::kReleased);
    CHECK(bench.revocation.insisted() == SIGKILL);
    const auto& victim = bench.revocation.victims().front();
    REQUIRE(victim.sent.size() == 3);
    CHECK(victim.took(victim.sent[0]) == 30 * kSecond);
    CHECK(victim.took(victim.sent[1]) == 25 * kSecond);
    CHECK(victim.took(victim.sent[2]) == 22 * kSecond);
    std::vector<std::string> rules;
    for (const Act& act : bench.acts) {
        rules.push_back(act.rule);
        CHECK(act.held.pins == std::vector<PinId>{101});
    }
    CHECK(rules == std::vector<std::string>{"revoke.notify", "revoke.then[0]", "revoke.then[2]"});
}

TEST_CASE("when nothing helps, it ends at last", "[revocation]")
{
    Bench bench({owner(kFirst)});
    bench.step(0);
    bench.step(5);
    bench.step(8);
    CHECK(bench.step(37.9).empty());
    CHECK_FALSE(bench.revocation.end());
    CHECK(bench.step(38).empty());
    CHECK(bench.revocation.end() == RevocationEnd::kExhausted);
    const auto& victim = bench.revocation.victims().front();
    CHECK_FALSE(victim.released);
    CHECK_FALSE(victim.took(victim.sent.back()));
}

TEST_CASE("asking may be all", "[revocation]")
{
    Bench bench({owner(kFirst)}, {.notify = SIGUSR1, .grace = 2 * kSecond, .then = {}});
    CHECK(bench.step(0) == Sends{{101, SIGUSR1}});
    CHECK(bench.step(2).empty());
    CHECK(bench.revocation.end() == RevocationEnd::kExhausted);
}

TEST_CASE("without asking, owners have the grace to let go by themselves", "[revocation]")
{
    Bench bench({owner(kFirst)}, {.notify = {}, .grace = 2 * kSecond, .then = {{SIGTERM, 0}}});
    CHECK(bench.step(0).empty());
    CHECK(bench.next() == 2);
    SECTION("one does")
    {
        bench.pinning.clear();
        CHECK(bench.step(1).empty());
        CHECK(bench.revocation.end() == RevocationEnd::kAnswered);
    }
    SECTION("one does not")
    {
        CHECK(bench.step(2) == Sends{{101, SIGTERM}});
    }
}

TEST_CASE("without grace, the signal comes at once", "[revocation]")
{
    Bench bench({owner(kFirst)}, {.notify = {}, .grace = 0, .then = {{SIGTERM, 0}}});
    CHECK(bench.step(0) == Sends{{101, SIGTERM}});
    CHECK(bench.revocation.insisted() == SIGTERM);
}

TEST_CASE("each owner is dealt with by itself", "[revocation]")
{
    Bench bench({owner(kFirst), owner(kSecondOne)});
    CHECK(bench.step(0) == Sends{{101, SIGUSR1}, {102, SIGUSR1}});
    bench.pinning.erase(kFirst);
    CHECK(bench.step(5) == Sends{{102, SIGTERM}});
    // What the first pins from now on is another matter.
    bench.pinning.insert(kFirst);
    CHECK(bench.step(8) == Sends{{102, SIGKILL}});
    bench.pinning.erase(kSecondOne);
    bench.step(9);
    CHECK(bench.revocation.end() == RevocationEnd::kReleased);
    CHECK(bench.revocation.victims()[0].released == Bench::at(5));
    CHECK(bench.revocation.victims()[1].released == Bench::at(9));
}

TEST_CASE("a late step sends one signal, not all that are overdue", "[revocation]")
{
    Bench bench({owner(kFirst)});
    bench.step(0);
    CHECK(bench.step(100) == Sends{{101, SIGTERM}});
    CHECK(bench.step(100).empty());
    CHECK(bench.next() == 103);
    CHECK(bench.step(102.9).empty());
    CHECK(bench.step(103) == Sends{{101, SIGKILL}});
}

TEST_CASE("the wait is counted from when the signal was sent", "[revocation]")
{
    Bench bench({owner(kFirst)});
    const auto acts = bench.revocation.step(kStart, [](const ProcessId&) { return true; });
    REQUIRE(acts.size() == 1);
    // Its record took a second to be written.
    bench.revocation.done(acts[0], ActOutcome::kSent, Bench::at(1));
    CHECK(bench.next() == 6);
}

TEST_CASE("an owner given twice is one", "[revocation]")
{
    SignalVictim other = owner(kFirst);
    other.held = {.pins = {9}, .bytes = 100, .drivers = {"io_uring"}};
    other.inferred = true;
    Bench bench({other, owner(kFirst)});
    CHECK(bench.step(0) == Sends{{101, SIGUSR1}});
    const auto& who = bench.revocation.victims().front().who;
    CHECK(bench.revocation.victims().size() == 1);
    CHECK(who.held.pins == std::vector<PinId>{9, 101});
    CHECK(who.held.bytes == 4196);
    CHECK(who.held.drivers == std::set<std::string>{"io_uring", "vfio"});
}

TEST_CASE("an owner that is not known for certain is never signalled", "[revocation]")
{
    SignalVictim inferred = owner(kFirst);
    inferred.inferred = true;
    const SignalVictim unknown = owner({0, 0});

    SECTION("with nobody else, that is the end")
    {
        Bench bench({inferred, unknown});
        CHECK(bench.step(0).empty());
        CHECK(bench.revocation.end() == RevocationEnd::kSpared);
    }
    SECTION("with others, they are waited for")
    {
        Bench bench({inferred, unknown, owner(kSecondOne)});
        CHECK(bench.step(0) == Sends{{102, SIGUSR1}});
        CHECK(bench.step(5) == Sends{{102, SIGTERM}});
        bench.pinning.erase(kSecondOne);
        CHECK(bench.step(6).empty());
        CHECK(bench.revocation.end() == RevocationEnd::kSpared);
        CHECK(bench.revocation.victims()[0].spared == ActOutcome::kUnknownOwner);
        CHECK(bench.revocation.victims()[1].spared == ActOutcome::kInferredOwner);
    }
    SECTION("they may let go by themselves")
    {
        Bench bench({inferred, owner(kSecondOne)});
        bench.step(0);
        bench.pinning.clear();
        bench.step(1);
        CHECK(bench.revocation.end() == RevocationEnd::kAnswered);
    }
}

TEST_CASE("with nobody, nobody is signalled", "[revocation]")
{
    Bench bench({});
    CHECK(bench.step(0).empty());
    CHECK(bench.revocation.end() == RevocationEnd::kSpared);
}

TEST_CASE("with too many owners none is signalled", "[revocation]")
{
    std::vector<SignalVictim> owners;
    for (std::uint32_t pid = 201; pid <= 208; ++pid) {
        owners.push_back(owner({pid, 1}));
    }
    SECTION("eight are not too many")
    {
        // Nor is one that is spared anyhow.
        owners.push_back(owner({0, 0}));
        Bench bench(owners);
        CHECK(bench.step(0).size() == 8);
    }
    SECTION("nine are")
    {
        owners.push_back(owner({209, 1}));
        Bench bench(owners);
        CHECK(bench.step(0).empty());
        CHECK(bench.revocation.end() == RevocationEnd::kTooManyOwners);
        CHECK(bench.step(100).empty());
    }
    SECTION("unless one of them has let go already")
    {
        owners.push_back(owner({209, 1}));
        Bench bench(owners);
        bench.pinning.erase({203, 1});
        CHECK(bench.step(0).size() == 8);
    }
    SECTION("the number is a choice")
    {
        Bench bench({owner(kFirst), owner(kSecondOne)}, kRevoke, {.processes = 1});
        CHECK(bench.step(0).empty());
        CHECK(bench.revocation.end() == RevocationEnd::kTooManyOwners);
    }
}

TEST_CASE("a protected owner is not tried again, and not waited for", "[revocation]")
{
    Bench bench({owner(kFirst), owner(kSecondOne)});
    bench.outcomes[kFirst] = ActOutcome::kProtected;
    CHECK(bench.step(0).size() == 2);
    CHECK(bench.step(5) == Sends{{102, SIGTERM}});
    bench.outcomes[kSecondOne] = ActOutcome::kProtected;
    CHECK(bench.step(8) == Sends{{102, SIGKILL}});
    CHECK(bench.revocation.next() == 0);
    CHECK(bench.step(8).empty());
    CHECK(bench.revocation.end() == RevocationEnd::kSpared);
}

TEST_CASE("of an owner that has ended only the release is waited for", "[revocation]")
{
    Bench bench({owner(kFirst)});
    bench.step(0);
    bench.step(5);
    bench.outcomes[kFirst] = ActOutcome::kGone;
    CHECK(bench.step(8) == Sends{{101, SIGKILL}});
    CHECK(bench.next() == 38);
    CHECK(bench.step(20).empty());
    CHECK_FALSE(bench.revocation.end());
    SECTION("it comes")
    {
        bench.pinning.clear();
        bench.step(21);
        CHECK(bench.revocation.end() == RevocationEnd::kReleased);
        CHECK(bench.revocation.insisted() == SIGTERM);
    }
    SECTION("it does not")
    {
        bench.step(38);
        CHECK(bench.revocation.end() == RevocationEnd::kExhausted);
    }
}

TEST_CASE("when too many signals were sent lately, it ends there", "[revocation]")
{
    Bench bench({owner(kFirst), owner(kSecondOne)});
    bench.outcomes[kFirst] = ActOutcome::kLimited;
    bench.step(0);
    CHECK(bench.revocation.end() == RevocationEnd::kLimited);
    CHECK_FALSE(bench.revocation.next());
    CHECK(bench.step(5).empty());
}

TEST_CASE("a signal that could not be sent is tried again, before the next one", "[revocation]")
{
    Bench bench({owner(kFirst)}, kRevoke, {.retry = kSecond, .retries = 2});
    bench.outcomes[kFirst] = ActOutcome::kFailed;
    CHECK(bench.step(0) == Sends{{101, SIGUSR1}});
    CHECK(bench.next() == 1);
    CHECK(bench.step(0.9).empty());
    CHECK(bench.step(1) == Sends{{101, SIGUSR1}});
    SECTION("until it goes")
    {
        bench.outcomes.clear();
        CHECK(bench.step(2) == Sends{{101, SIGUSR1}});
        CHECK(bench.next() == 7);
        CHECK(bench.step(7) == Sends{{101, SIGTERM}});
        CHECK(bench.revocation.victims().front().sent.size() == 2);
    }
    SECTION("but not for ever")
    {
        CHECK(bench.step(2) == Sends{{101, SIGUSR1}});
        CHECK(bench.step(3).empty());
        CHECK(bench.revocation.end() == RevocationEnd::kSpared);
        CHECK(bench.revocation.victims().front().spared == ActOutcome::kFailed);
        CHECK(bench.revocation.victims().front().sent.empty());
    }
}

TEST_CASE("outcomes and ends have names", "[revocation]")
{
    CHECK(to_string(ActOutcome::kSent) == "sent");
    CHECK(to_string(ActOutcome::kGone) == "gone");
    CHECK(to_string(ActOutcome::kProtected) == "protected");
    CHECK(to_string(ActOutcome::kLimited) == "limited");
    CHECK(to_string(ActOutcome::kFailed) == "failed");
    CHECK(to_string(ActOutcome::kUnknownOwner) == "unknown_owner");
    CHECK(to_string(ActOutcome::kInferredOwner) == "inferred_owner");
    CHECK(to_string(RevocationEnd::kAnswered) == "answered");
    CHECK(to_string(RevocationEnd::kReleased) == "released");
    CHECK(to_string(RevocationEnd::kExhausted) == "exhausted");
    CHECK(to_string(RevocationEnd::kSpared) == "spared");
    CHECK(to_string(RevocationEnd::kTooManyOwners) == "too_many_owners");
    CHECK(to_string(RevocationEnd::kLimited) == "limited");
}

}  // namespace pinwarden
