#include "publish/convert.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("a conflict that a policy decided is a conflict and a verdict")
{
    const Notice undecided = conflict_notice(PW_VERDICT_ALLOW, "");
    CHECK(event_kinds(undecided) == std::vector{v1::EVENT_KIND_CONFLICT});
    CHECK(event_to_proto(undecided, v1::EVENT_KIND_CONFLICT).conflict().error().empty());

    const Notice denied = conflict_notice(PW_VERDICT_DENY, "keep");
    CHECK(event_kinds(denied) == std::vector{v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT});
    const v1::WatchEventsResponse event = event_to_proto(denied, v1::EVENT_KIND_VERDICT);
    CHECK(event.kind() == v1::EVENT_KIND_VERDICT);
    CHECK(event.time().seconds() == 1'700'000'020);
    CHECK(event.conflict().operation() == "truncate");
    CHECK(event.conflict().verdict() == "deny");
    CHECK(event.conflict().error() == "EBUSY");
    CHECK(event.conflict().policy() == "keep");
    CHECK(event.conflict().caller().comm() == "truncate");
    REQUIRE(event.conflict().pins_size() == 1);
    CHECK(event.conflict().pins(0).ranges(0).file().path() == "/mnt/data/x");
}

TEST_CASE("an operation that is held has a number, and has not failed")
{
    Notice held = conflict_notice(PW_VERDICT_HOLD, "keep");
    std::get<ConflictNotice>(held.what).conflict.hold = 7;
    CHECK(event_kinds(held) == std::vector{v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT});
    const v1::Conflict conflict = event_to_proto(held, v1::EVENT_KIND_VERDICT).conflict();
    CHECK(conflict.verdict() == "hold");
    CHECK(conflict.hold() == 7);
    CHECK(conflict.error().empty());

    const v1::Conflict would =
        event_to_proto(conflict_notice(PW_VERDICT_WOULD_HOLD, "keep"), v1::EVENT_KIND_VERDICT).conflict();
    CHECK(would.verdict() == "would_hold");
    CHECK(would.hold() == 0);
    CHECK(would.error().empty());
}

TEST_CASE("held operations are shown with what is in their way, and how long")
{
    HoldView decided = held_truncate(8);
    decided.released = Outcome::kAllow;
    decided.since = 24 * kSecond;  // read before it was held
    const v1::ListHoldsResponse holds = holds_to_proto(holds_with({held_truncate(7), decided}));

    REQUIRE(holds.holds_size() == 2);
    const v1::HeldOperation& first = holds.holds(0);
    CHECK(first.id() == 7);
    CHECK(first.conflict().hold() == 7);
    CHECK(first.conflict().operation() == "truncate");
    CHECK(first.conflict().verdict() == "hold");
    CHECK(first.conflict().policy() == "keep");
    CHECK(first.conflict().pins_size() == 1);
    CHECK(first.since().seconds() == 1'700'000'020);
    CHECK(first.deadline().seconds() == 1'700'000'030);
    CHECK(first.held().seconds() == 3);
    CHECK(first.held().nanos() == 200'000'000);
    CHECK(first.asked() == 2);
    CHECK(first.verdict().empty());
    CHECK(holds.holds(1).verdict() == "allow");
    CHECK(holds.holds(1).held().seconds() == 0);
}

TEST_CASE("the end of a hold is an event of its own")
{
    const Notice ended = hold_ended_notice("timed_out_deny");
    CHECK(event_kinds(ended) == std::vector{v1::EVENT_KIND_HOLD_END});
    const v1::WatchEventsResponse event = event_to_proto(ended, v1::EVENT_KIND_HOLD_END);
    CHECK(event.kind() == v1::EVENT_KIND_HOLD_END);
    CHECK(event.outcome() == "timed_out_deny");
    CHECK(event.hold().id() == 7);
    CHECK(event.hold().held().seconds() == 3);
    CHECK(event.hold().conflict().caller().comm() == "truncate");
    CHECK_FALSE(event.has_conflict());
}

TEST_CASE("a signal is an event with its victim, as far as that is known")
{
    const Notice sent = signal_notice(ActOutcome::kSent);
    CHECK(event_kinds(sent) == std::vector{v1::EVENT_KIND_SIGNAL});
    const v1::WatchEventsResponse event = event_to_proto(sent, v1::EVENT_KIND_SIGNAL);
    CHECK(event.kind() == v1::EVENT_KIND_SIGNAL);
    CHECK(event.time().seconds() == 1'700'000'025);
    const v1::Signal& signal = event.signal();
    CHECK(signal.policy() == "keep");
    CHECK(signal.rule() == "revoke.then[0]");
    CHECK(signal.signal() == "SIGTERM");
    CHECK(signal.victim().pid() == 812);
    CHECK(signal.victim().start_time().seconds() == 1'700'000'005);
    CHECK(signal.victim().uid() == 1000);
    CHECK(signal.victim().comm() == "rdma-demo");
    CHECK(signal.victim().executable() == "/usr/bin/rdma-demo");
    CHECK(signal.victim().cgroup_path() == "/system.slice/demo.service");
    CHECK_FALSE(signal.victim().exited());
    CHECK(signal.outcome() == "sent");
    CHECK(signal.reason().empty());
    CHECK(signal.file().path() == "/mnt/data/x");
    CHECK(signal.operation() == "truncate");
    CHECK(signal.pins() == 2);
    CHECK(signal.bytes() == kMiB);

    Notice unread = signal_notice(ActOutcome::kProtected, "its executable cannot be read");
    std::get<SignalNotice>(unread.what).report.victim->uid = std::nullopt;
    CHECK_FALSE(event_to_proto(unread, v1::EVENT_KIND_SIGNAL).signal().victim().has_uid());
    CHECK(event_to_proto(unread, v1::EVENT_KIND_SIGNAL).signal().reason() == "its executable cannot be read");

    Notice gone = signal_notice(ActOutcome::kGone);
    std::get<SignalNotice>(gone.what).report.victim.reset();
    const v1::Process ended = event_to_proto(gone, v1::EVENT_KIND_SIGNAL).signal().victim();
    CHECK(ended.pid() == 812);
    CHECK(ended.exited());
    CHECK(ended.comm().empty());
    CHECK_FALSE(ended.has_uid());

    Notice unknown = signal_notice(ActOutcome::kUnknownOwner);
    std::get<SignalNotice>(unknown.what).report.victim.reset();
    std::get<SignalNotice>(unknown.what).report.act.process = {};
    const v1::Process nobody = event_to_proto(unknown, v1::EVENT_KIND_SIGNAL).signal().victim();
    CHECK(nobody.pid() == 0);
    CHECK_FALSE(nobody.has_start_time());
}

TEST_CASE("the end of a revocation tells what each owner was sent, and when it let go")
{
    Revocation::Victim spared = released_victim(813);
    spared.sent.pop_back();
    spared.released.reset();
    spared.spared = ActOutcome::kGone;
    const Notice notice = revocation_notice(RevocationEnd::kExhausted, {released_victim(812), spared});
    CHECK(event_kinds(notice) == std::vector{v1::EVENT_KIND_REVOCATION});
    const v1::WatchEventsResponse event = event_to_proto(notice, v1::EVENT_KIND_REVOCATION);
    CHECK(event.kind() == v1::EVENT_KIND_REVOCATION);
    const v1::Revocation& revocation = event.revocation();
    CHECK(revocation.policy() == "keep");
    CHECK(revocation.operation() == "truncate");
    CHECK(revocation.file().path() == "/mnt/data/x");
    CHECK(revocation.end() == "exhausted");
    REQUIRE(revocation.victims_size() == 2);

    const v1::RevocationVictim& first = revocation.victims(0);
    CHECK(first.process().comm() == "rdma-demo");
    CHECK(first.process().uid() == 1000);
    CHECK(first.released());
    CHECK(first.spared().empty());
    REQUIRE(first.signals_size() == 2);
    CHECK(first.signals(0).signal() == "SIGUSR1");
    CHECK(first.signals(0).time().seconds() == 1'700'000'020);
    CHECK(first.signals(0).until_release().seconds() == 8);
    CHECK(first.signals(1).signal() == "SIGTERM");
    CHECK(first.signals(1).until_release().seconds() == 3);
    CHECK(first.signals(1).until_release().nanos() == 200'000'000);

    const v1::RevocationVictim& second = revocation.victims(1);
    CHECK(second.process().pid() == 813);
    CHECK(second.process().exited());
    CHECK_FALSE(second.process().has_uid());
    CHECK_FALSE(second.released());
    CHECK(second.spared() == "gone");
    REQUIRE(second.signals_size() == 1);
    CHECK_FALSE(second.signals(0).has_until_release());

    spared.who.inferred = true;
    spared.spared = ActOutcome::kInferredOwner;
    const v1::Revocation guessed =
        event_to_proto(revocation_notice(RevocationEnd::kSpared, {spared}), v1::EVENT_KIND_REVOCATION).revocation();
    CHECK(guessed.end() == "spared");
    CHECK(guessed.victims(0).process().inferred());
    CHECK(guessed.victims(0).spared() == "inferred_owner");
}

TEST_CASE("a hold that is not there is named with those that are")
{
    CHECK(no_such_hold(7, {}).code == ENOENT);
    CHECK(no_such_hold(7, {}).message == "no operation is held as number 7; none is held");
    std::vector<HoldView> holds{held_truncate(3), held_truncate(5)};
    CHECK(no_such_hold(7, holds).message == "no operation is held as number 7; held are: 3, 5");
    holds.resize(20);
    CHECK_THAT(no_such_hold(7, holds).message, Catch::EndsWith(", 0 and 4 more"));
}

TEST_CASE("an invalidation is a conflict of addresses, without a verdict to wait for")
{
    const Notice notice = invalidation_notice();
    CHECK(event_kinds(notice) == std::vector{v1::EVENT_KIND_CONFLICT});
    const v1::Conflict conflict = event_to_proto(notice, v1::EVENT_KIND_CONFLICT).conflict();
    CHECK(conflict.operation() == "munmap");
    CHECK_FALSE(conflict.has_file());
    CHECK(conflict.address() == 0x7f0000000000);
    CHECK(conflict.length() == 65536);
    CHECK(conflict.pinned_bytes() == 65536);
    CHECK(conflict.caller().pid() == 812);
    CHECK(conflict.verdict() == "allow");
    CHECK(conflict.reason() == "the process no longer maps pages that stay pinned");
    REQUIRE(conflict.pins_size() == 1);
    CHECK(conflict.pins(0).ranges(0).file().path() == "/mnt/data/x");
    CHECK(conflict.pins(0).stack_size() == 0);
}
