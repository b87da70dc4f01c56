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

TEST_CASE("bytes that are not UTF-8 are replaced, the rest is kept")
{
    struct Row {
        std::string in;
        std::string out;
    };
    const std::string bad = "\xef\xbf\xbd";
    const Row rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\x8c", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\x8c"},
        {"a\xff"
         "b",
         "a" + bad + "b"},
        {"cut\xe2\x82", "cut" + bad + bad},
        {"\xc0\xaf", bad + bad},                      // overlong '/'
        {"\xed\xa0\x80", bad + bad + bad},            // surrogate
        {"\xf4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
    };
    for (const Row& row : rows) {
        CHECK(valid_utf8(row.in) == row.out);
    }
}

TEST_CASE("a pin is shown with owner, driver, file and age")
{
    const v1::ListPinsResponse list = pins_to_proto(snapshot_with({file_pin(1, 4, 16)}), {});

    REQUIRE(list.pins_size() == 1);
    const v1::Pin& pin = list.pins(0);
    CHECK(pin.id() == 1);
    CHECK(pin.owner().pid() == 812);
    CHECK(pin.owner().tid() == 813);
    CHECK(pin.owner().uid() == 1000);
    CHECK(pin.owner().comm() == "rdma-demo");
    CHECK(pin.owner().start_time().seconds() == 1'700'000'005);
    CHECK(pin.driver() == "rdma_rxe");
    CHECK(pin.function() == "pin_user_pages_fast");
    CHECK(pin.backing() == "file");
    CHECK(pin.bytes() == 65536);
    CHECK(pin.age().seconds() == 120);
    CHECK(pin.acquire_time().seconds() == 1'700'000'010);
    CHECK(pin.long_term());
    CHECK(pin.writable());
    CHECK(pin.calls() == 1);
    CHECK(pin.stack().empty());
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).first_page() == 4);
    CHECK(pin.ranges(0).pages() == 16);
    CHECK(pin.ranges(0).file().path() == "/mnt/data/x");
    CHECK(pin.ranges(0).file().device_major() == 253);
    CHECK(pin.ranges(0).file().device_minor() == 1);
    CHECK(pin.ranges(0).file().inode() == 12);
    CHECK(list.ledger_certain());
}

TEST_CASE("an owner is shown with its program, cgroup and container")
{
    PinView view = file_pin(1, 0, 1);
    view.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/opt/tr\xff", true, "/jobs/one", "c0ffee"});
    const v1::ListPinsResponse list = pins_to_proto(snapshot_with({view}), {});
    const v1::Process& owner = list.pins(0).owner();
    CHECK(owner.gid() == 1000);
    CHECK(owner.executable() == "/opt/tr\xef\xbf\xbd");
    CHECK(owner.executable_deleted());
    CHECK(owner.cgroup_path() == "/jobs/one");
    CHECK(owner.container_id() == "c0ffee");
}

TEST_CASE("pins of one process in different cgroups are not one registration")
{
    PinView first = file_pin(1, 0, 4);
    PinView second = file_pin(2, 4, 4);
    first.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/bin/a", false, "/one", ""});
    second.pin.owner.names = std::make_shared<const TaskNames>(*first.pin.owner.names);
    CHECK(pins_to_proto(snapshot_with({first, second}), {}).pins_size() == 1);
    second.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"/bin/a", false, "/two", ""});
    CHECK(pins_to_proto(snapshot_with({first, second}), {}).pins_size() == 2);
}

TEST_CASE("the calls of one registration are shown as one pin")
{
    // 64 MiB in 32 calls of 2 MiB, with the pins of another thread in between.
    std::vector<PinView> pins;
    for (std::uint64_t i = 0; i < 32; ++i) {
        PinView part = file_pin(2 * i + 1, 512 * i, 512);
        part.pin.acquired += i * 900'000'000;
        pins.push_back(part);
        PinView other = part;
        other.pin.id += 1;
        other.pin.owner.tid = 999;
        other.pin.ranges.clear();
        other.pin.backing = Backing::kAnonymous;
        pins.push_back(other);
    }
    v1::ListPinsRequest request;
    request.set_include_stack(true);
    request.set_min_bytes(64 * kMiB);
    const v1::ListPinsResponse list = pins_to_proto(snapshot_with(pins), request);

    REQUIRE(list.pins_size() == 2);
    for (const v1::Pin& pin : list.pins()) {
        CHECK(pin.bytes() == 64 * kMiB);
        CHECK(pin.calls() == 32);
        CHECK(pin.stack_size() == 2);
    }
    REQUIRE(list.pins(0).ranges_size() == 1);
    CHECK(list.pins(0).ranges(0).pages() == 64 * kMiB / 4096);
    CHECK(list.pins(1).ranges().empty());
}

TEST_CASE("pins that are not one registration stay apart")
{
    const PinView first = file_pin(1, 0, 16);
    PinView second = file_pin(2, 16, 16);
    SECTION("joined as they are")
    {
        CHECK(pins_to_proto(snapshot_with({first, second}), {}).pins_size() == 1);
        return;
    }
    SECTION("another process")
    {
        second.pin.owner.process.start_time += 1;
    }
    SECTION("another thread")
    {
        second.pin.owner.tid += 1;
    }
    SECTION("another driver")
    {
        second.pin.driver = "vfio";
    }
    SECTION("another function")
    {
        second.pin.function = PW_PIN_USER_PAGES_REMOTE;
    }
    SECTION("other access")
    {
        second.pin.writable = false;
    }
    SECTION("another address")
    {
        second.pin.address += 4096;
    }
    SECTION("other file pages")
    {
        second.pin.ranges[0].first_page += 1;
    }
    SECTION("another file")
    {
        second.pin.ranges[0].file.inode += 1;
    }
    SECTION("no file")
    {
        second.pin.ranges.clear();
    }
    SECTION("much later")
    {
        second.pin.acquired += kSecond + 1;
    }
    SECTION("another call stack")
    {
        second.stack.pop_back();
    }
    CHECK(pins_to_proto(snapshot_with({first, second}), {}).pins_size() == 2);
}

TEST_CASE("pins are chosen by process, driver and size as shown")
{
    PinView other = file_pin(2, 100, 1);
    other.pin.owner.process.pid = 5;
    other.pin.driver = "io_uring";
    const Snapshot snapshot = snapshot_with({file_pin(1, 0, 16), other});

    v1::ListPinsRequest by_pid;
    by_pid.set_pid(5);
    v1::ListPinsRequest by_driver;
    by_driver.set_driver("rdma_rxe");
    v1::ListPinsRequest by_size;
    by_size.set_min_bytes(4097);
    REQUIRE(pins_to_proto(snapshot, by_pid).pins_size() == 1);
    CHECK(pins_to_proto(snapshot, by_pid).pins(0).id() == 2);
    REQUIRE(pins_to_proto(snapshot, by_driver).pins_size() == 1);
    CHECK(pins_to_proto(snapshot, by_driver).pins(0).id() == 1);
    REQUIRE(pins_to_proto(snapshot, by_size).pins_size() == 1);
    CHECK(pins_to_proto(snapshot, by_size).pins(0).id() == 1);
}

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

TEST_CASE("status tells how many operations are held")
{
    Snapshot snapshot = snapshot_with({});
    snapshot.holds = 2;
    CHECK(status_to_proto(snapshot).holds() == 2);
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

namespace {

v1::ApplyPolicyRequest request_with_policy()
{
    v1::ApplyPolicyRequest request;
    v1::Policy& policy = *request.add_policies();
    policy.set_name("keep");
    policy.set_mode(v1::MODE_ENFORCE);
    policy.mutable_match()->add_operations(v1::OPERATION_TRUNCATE);
    policy.mutable_match()->mutable_file()->add_path_prefixes("/mnt//data/");
    policy.mutable_match()->mutable_pin()->mutable_min_age()->set_seconds(5);
    policy.mutable_match()->mutable_owner()->add_uids(1000);
    policy.mutable_action()->mutable_deny();
    return request;
}

}  // namespace

TEST_CASE("a policy message becomes a policy, and comes back")
{
    const auto policies = policies_from_request(request_with_policy());

    REQUIRE(policies);
    REQUIRE(policies->size() == 1);
    const Policy& policy = policies->front();
    CHECK(policy.mode == Mode::kEnforce);
    CHECK(policy.operations == std::vector{Operation::kTruncate});
    CHECK(policy.file.path_prefixes == std::vector<std::string>{"/mnt/data"});
    CHECK(policy.pin.min_age == 5 * kSecond);
    CHECK(policy.deny_errno == EBUSY);
    CHECK(policy.unresolved == Unresolved::kDeny);
    CHECK(policy.source == "grpc");

    v1::ApplyPolicyRequest again;
    *again.add_policies() = policy_to_proto(policy);
    CHECK(policies_from_request(again).value() == *policies);
}

TEST_CASE("a policy message that holds becomes a policy, and comes back")
{
    v1::ApplyPolicyRequest request = request_with_policy();
    v1::Policy& message = *request.mutable_policies(0);
    v1::Hold& hold = *message.mutable_action()->mutable_hold();
    SECTION("with its defaults")
    {
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold == Hold{});
        CHECK(policy.deny_errno == EBUSY);
        CHECK(policy.when_unattended == Unattended::kRelease);

        const v1::Policy shown = policy_to_proto(policy);
        CHECK(shown.action().hold().timeout().seconds() == 10);
        CHECK(shown.action().hold().on_timeout() == v1::OUTCOME_DENY);
        CHECK(shown.action().hold().fallback() == v1::OUTCOME_DENY);
        CHECK(shown.action().hold().error() == "EBUSY");
        CHECK_FALSE(shown.action().has_deny());
        CHECK(shown.when_unattended() == v1::WHEN_UNATTENDED_RELEASE);
    }
    SECTION("with everything given")
    {
        hold.mutable_timeout()->set_nanos(100'000'000);
        hold.set_on_timeout(v1::OUTCOME_ALLOW);
        hold.set_fallback(v1::OUTCOME_ALLOW);
        hold.set_error("EAGAIN");
        message.set_unresolved(v1::UNRESOLVED_HOLD);
        message.set_when_unattended(v1::WHEN_UNATTENDED_KEEP);

        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold == Hold{.timeout = kSecond / 10, .on_timeout = Outcome::kAllow, .fallback = Outcome::kAllow});
        CHECK(policy.deny_errno == EAGAIN);
        CHECK(policy.unresolved == Unresolved::kHold);
        CHECK(policy.when_unattended == Unattended::kKeep);

        v1::ApplyPolicyRequest again;
        *again.add_policies() = policy_to_proto(policy);
        CHECK(policies_from_request(again).value().front() == policy);
    }
}

TEST_CASE("a policy message that revokes becomes a policy, and comes back")
{
    v1::ApplyPolicyRequest request = request_with_policy();
    v1::Hold& hold = *request.mutable_policies(0)->mutable_action()->mutable_hold();
    v1::Revoke& revoke = *hold.mutable_revoke();
    SECTION("with its defaults")
    {
        revoke.set_notify("SIGUSR1");
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold->revoke == Revoke{.notify = SIGUSR1, .grace = 5 * kSecond, .then = {}});

        const v1::Revoke shown = policy_to_proto(policy).action().hold().revoke();
        CHECK(shown.notify() == "SIGUSR1");
        CHECK(shown.grace().seconds() == 5);
        CHECK(shown.then().empty());
    }
    SECTION("with everything given")
    {
        hold.mutable_timeout()->set_seconds(30);
        revoke.set_notify("SIGRTMIN+1");
        revoke.mutable_grace()->set_nanos(100'000'000);
        for (const char* entry : {"SIGTERM", "5s", "SIGKILL"}) {
            revoke.add_then(entry);
        }
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold->revoke == Revoke{.notify = SIGRTMIN + 1,
                                            .grace = kSecond / 10,
                                            .then = {{.signal = SIGTERM, .wait = 5 * kSecond}, {.signal = SIGKILL}}});

        v1::ApplyPolicyRequest again;
        *again.add_policies() = policy_to_proto(policy);
        CHECK(policies_from_request(again).value().front() == policy);
    }
    SECTION("without asking")
    {
        revoke.mutable_grace();
        revoke.add_then("SIGKILL");
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold->revoke == Revoke{.notify = std::nullopt, .grace = 0, .then = {{.signal = SIGKILL}}});
        CHECK(policy_to_proto(policy).action().hold().revoke().notify().empty());
    }
}

TEST_CASE("what is wrong with a policy message is said with its field")
{
    v1::ApplyPolicyRequest request = request_with_policy();
    v1::Policy& policy = *request.mutable_policies(0);
    std::string field;
    SECTION("no mode")
    {
        policy.clear_mode();
        field = "mode";
    }
    SECTION("unknown mode")
    {
        policy.set_mode(static_cast<v1::Mode>(77));
        field = "mode";
    }
    SECTION("unspecified operation")
    {
        policy.mutable_match()->add_operations(v1::OPERATION_UNSPECIFIED);
        field = "match.operations[1]";
    }
    SECTION("no operation")
    {
        policy.mutable_match()->clear_operations();
        field = "match.operations";
    }
    SECTION("relative path")
    {
        policy.mutable_match()->mutable_file()->set_path_prefixes(0, "mnt");
        field = "match.file.path_prefixes[0]";
    }
    SECTION("negative age")
    {
        policy.mutable_match()->mutable_pin()->mutable_min_age()->set_seconds(-1);
        field = "match.pin.min_age";
    }
    SECTION("endless age")
    {
        policy.mutable_match()->mutable_pin()->mutable_min_age()->set_seconds(315576000000);
        field = "match.pin.min_age";
    }
    SECTION("no action")
    {
        policy.clear_action();
        field = "action";
    }
    SECTION("unknown errno")
    {
        policy.mutable_action()->mutable_deny()->set_error("EBUSSY");
        field = "action.deny.errno";
    }
    SECTION("a hold of no time")
    {
        policy.mutable_action()->mutable_hold()->mutable_timeout();
        field = "action.hold.timeout: 0ns is too short; at least 100ms";
    }
    SECTION("a hold of negative time")
    {
        policy.mutable_action()->mutable_hold()->mutable_timeout()->set_seconds(-1);
        field = "action.hold.timeout: must be a duration from 100ms to 1h";
    }
    SECTION("a hold nobody waits for")
    {
        policy.mutable_action()->mutable_hold()->mutable_timeout()->set_seconds(3601);
        field = "action.hold.timeout: 3601s is too long; at most 1h";
    }
    SECTION("unknown outcomes of a hold")
    {
        policy.mutable_action()->mutable_hold()->set_on_timeout(static_cast<v1::Outcome>(7));
        field = "action.hold.on_timeout";
    }
    SECTION("unknown fallback of a hold")
    {
        policy.mutable_action()->mutable_hold()->set_fallback(static_cast<v1::Outcome>(7));
        field = "action.hold.fallback";
    }
    SECTION("unknown errno of a hold")
    {
        policy.mutable_action()->mutable_hold()->set_error("EBUSSY");
        field = "action.hold.errno";
    }
    SECTION("a revoke that sends nothing")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke();
        field = "action.hold.revoke";
    }
    SECTION("unknown signal that asks")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->set_notify("SIGUSR");
        field = "action.hold.revoke.notify: \"SIGUSR\" is no signal";
    }
    SECTION("a grace of negative time")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->mutable_grace()->set_seconds(-1);
        field = "action.hold.revoke.grace: must be a duration from 100ms to 1h";
    }
    SECTION("unknown signal that insists")
    {
        v1::Revoke& revoke = *policy.mutable_action()->mutable_hold()->mutable_revoke();
        for (const char* entry : {"SIGTERM", "1s", "SIGKIL"}) {
            revoke.add_then(entry);
        }
        field = "action.hold.revoke.then[2]: \"SIGKIL\" is no signal";
    }
    SECTION("an empty entry among signals")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->add_then("");
        field = "action.hold.revoke.then[0]: \"\" is no signal";
    }
    SECTION("a revoke that is longer than its hold")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->set_notify("SIGUSR1");
        policy.mutable_action()->mutable_hold()->mutable_timeout()->set_seconds(4);
        field = "action.hold.revoke: takes 5s until its end, which a hold of 4s never reaches";
    }
    SECTION("unknown when_unattended")
    {
        policy.set_when_unattended(static_cast<v1::WhenUnattended>(9));
        field = "when_unattended";
    }
    SECTION("unknown unresolved")
    {
        policy.set_unresolved(static_cast<v1::Unresolved>(9));
        field = "unresolved";
    }
    const auto refused = policies_from_request(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EINVAL);
    CHECK_THAT(refused.error().message,
               Catch::StartsWith("policies[0] \"keep\": " + field + (field.find(':') == std::string::npos ? ":" : "")));
}

TEST_CASE("policies come in exactly one form")
{
    CHECK_THAT(policies_from_request({}).error().message, Catch::StartsWith("no policy given"));
    v1::ApplyPolicyRequest both = request_with_policy();
    both.set_yaml("name: x");
    CHECK_THAT(policies_from_request(both).error().message, Catch::StartsWith("policies given in several forms"));
}

TEST_CASE("several texts make one list, and each is named in messages")
{
    const std::string yaml = "mode: monitor\nmatch: {operations: [truncate]}\naction: {deny: {}}\n";
    v1::ApplyPolicyRequest request;
    for (const char* const name : {"a", "b"}) {
        v1::PolicyText& text = *request.add_texts();
        text.set_yaml("name: " + std::string(name) + "\n" + yaml);
        text.set_source(std::string(name) + ".yaml");
    }
    const auto policies = policies_from_request(request);
    REQUIRE(policies);
    REQUIRE(policies->size() == 2);
    CHECK((*policies)[1].name == "b");
    CHECK((*policies)[1].source == "b.yaml");

    request.mutable_texts(1)->set_yaml("name: b\nmodus: monitor\n");
    const auto refused = policies_from_request(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EINVAL);
    CHECK_THAT(refused.error().message, Catch::StartsWith("b.yaml:2:"));
}
