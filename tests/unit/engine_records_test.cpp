#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "app/engine.h"
#include "support/engine_world.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr Requester kOperator{.uid = 1001, .pid = 99};

Policy policy_named(const std::string& name, Mode mode)
{
    Policy policy;
    policy.name = name;
    policy.mode = mode;
    policy.operations = {Operation::kTruncate};
    policy.deny_errno = 16;
    policy.source = "grpc";
    return policy;
}

bool has(const std::vector<std::string>& texts, const std::string& part)
{
    return std::ranges::any_of(texts, [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

pw_hold_end hold_end(std::uint64_t hold, pw_hold_outcome outcome, int error)
{
    pw_hold_end end{};
    end.header = {PW_KIND_HOLD_END, sizeof(end), 2117};
    end.hold = hold;
    end.since = 1117;
    end.asked = 1;
    end.outcome = outcome;
    end.error = error;
    return end;
}

}  // namespace

TEST_CASE("a change of policies is on record before it is in force, and completed after", "[engine][audit_log]")
{
    World world;
    CHECK(world.happenings.empty());
    std::uint32_t while_recorded = 0;
    world.audit_log.meanwhile = [&] { while_recorded = world.sink.generation; };
    REQUIRE(world.engine.apply({policy_named("one", Mode::kMonitor)}, false, kOperator) == 2U);
    CHECK(while_recorded == 1);
    CHECK(world.happenings == Happenings{"begin apply", "complete done"});
    const PolicyEntry& entry = world.audit_log.policies.at(0);
    CHECK(entry.policies ==
          std::vector<PolicyChange>{{.name = "one", .before = {}, .after = Mode::kMonitor, .source = "grpc"}});
    CHECK(entry.generation == 1);
    CHECK(entry.asked_by->uid == 1001);
    CHECK(entry.asked_by->pid == 99);
    CHECK(world.audit_log.outcomes.at(1).generation == 2U);

    REQUIRE(world.engine.apply({policy_named("one", Mode::kEnforce)}, false, kOperator) == 3U);
    CHECK(world.audit_log.policies.at(1).policies.at(0).before == Mode::kMonitor);
    REQUIRE(world.engine.remove("one", kOperator) == 4U);
    CHECK(world.audit_log.policies.at(2).action == "delete");
    CHECK_FALSE(world.audit_log.policies.at(2).policies.at(0).after.has_value());
    CHECK(world.audit_log.outcomes.at(3).generation == 4U);
}

TEST_CASE("what changes nothing is not recorded", "[engine][audit_log]")
{
    World world;
    Policy bad = policy_named("bad", Mode::kEnforce);
    bad.operations.clear();
    CHECK_FALSE(world.engine.apply({bad}, false, kOperator));
    REQUIRE(world.engine.apply({policy_named("one", Mode::kEnforce)}, true, kOperator));
    CHECK_FALSE(world.engine.remove("nobody", kOperator));
    CHECK_FALSE(world.engine.release_hold(7, Outcome::kAllow, kOperator));
    CHECK(world.happenings.empty());
}

TEST_CASE("a change that fails is completed as failed", "[engine][audit_log]")
{
    World world;
    world.sink.failing = {"install"};
    CHECK_FALSE(world.engine.apply({policy_named("one", Mode::kEnforce)}, false, kOperator));
    CHECK(world.happenings == Happenings{"begin apply", "complete failed"});
    CHECK_FALSE(world.audit_log.outcomes.at(1).reason.empty());
    CHECK(world.audit_log.outcomes.at(1).generation == 1U);
}

TEST_CASE("without a record nothing more is enforced, and less can be", "[engine][audit_log]")
{
    World world;
    REQUIRE(world.engine.apply({policy_named("one", Mode::kEnforce)}, false, kOperator) == 2U);
    world.audit_log.full = true;

    const auto refused = world.engine.apply({policy_named("two", Mode::kEnforce)}, false, kOperator);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EINVAL);
    CHECK(refused.error().message ==
          "what enforces more than before must be on record first, so this was not applied: audit log: no space left; "
          "make room, or mend what keeps it from being written");
    CHECK(world.sink.generation == 2);
    Policy harder = policy_named("one", Mode::kEnforce);
    harder.deny_errno = 1;
    CHECK_FALSE(world.engine.apply({policy_named("three", Mode::kMonitor), harder}, false, kOperator));
    CHECK(world.engine.snapshot().notices.empty());

    // The same once more, less, and nothing at all.
    CHECK(world.engine.apply({policy_named("one", Mode::kEnforce)}, false, kOperator) == 3U);
    CHECK(world.engine.apply({policy_named("one", Mode::kMonitor)}, false, kOperator) == 4U);
    CHECK(world.engine.remove("one", kOperator) == 5U);
    CHECK(world.warnings.size() == 3);
    CHECK(has(world.warnings, "done without a record of it: audit log: no space left"));
    // That is told once.
    CHECK(world.engine.snapshot().notices.size() == 1);
    CHECK(has(world.engine.snapshot().notices, "not all that was done is in the audit log"));
}

TEST_CASE("a denial is recorded, what was not stopped is not", "[engine][audit_log]")
{
    World world;
    REQUIRE(world.engine.apply({policy_named("watch", Mode::kMonitor), policy_named("stop", Mode::kEnforce)}, false) ==
            2U);
    world.pin_file();
    world.feed(World::truncate(PW_VERDICT_ALLOW, 0, 2));
    world.feed(World::truncate(PW_VERDICT_WOULD_DENY, 1, 2));
    CHECK(world.audit_log.denials.empty());
    world.feed(World::truncate(PW_VERDICT_DENY, 2, 2));
    REQUIRE(world.audit_log.denials.size() == 1);
    const DenialEntry& denial = world.audit_log.denials[0];
    CHECK(denial.policy == "stop");
    CHECK(denial.generation == 2);
    CHECK(denial.operation.operation == "truncate");
    CHECK(denial.operation.file == "/mnt/data/x");
    CHECK(denial.operation.caller.process.pid == 200);
    CHECK(denial.held.pins == std::vector<PinId>{raw_pin().pin});
    CHECK(denial.error == EBUSY);
    CHECK_FALSE(denial.unresolved);
}

TEST_CASE("a hold is recorded when it begins, when somebody decides, and when it ends", "[engine][audit_log]")
{
    World world;
    Policy waits = policy_named("waits", Mode::kEnforce);
    waits.hold = Hold{};
    REQUIRE(world.engine.apply({waits}, false) == 2U);
    world.pin_file();
    pw_operation operation = World::truncate(PW_VERDICT_HOLD, 1, 2);
    operation.hold = 7;
    world.feed(operation);
    REQUIRE(world.audit_log.holds.size() == 1);
    CHECK(world.audit_log.holds[0].hold == 7);
    CHECK(world.audit_log.holds[0].policy == "waits");
    CHECK(world.audit_log.denials.empty());

    world.happenings.clear();
    SECTION("by an operator")
    {
        bool released = true;
        world.audit_log.meanwhile = [&] { released = world.holds.released.contains(7); };
        REQUIRE(world.engine.release_hold(7, Outcome::kAllow, kOperator));
        CHECK_FALSE(released);
        CHECK(world.holds.released.at(7) == Outcome::kAllow);
        CHECK(world.happenings == Happenings{"begin release 7", "complete done"});
        const ReleaseEntry& release = world.audit_log.releases.at(0);
        CHECK(release.outcome == Outcome::kAllow);
        CHECK(release.hold.policy == "waits");
        CHECK(release.hold.operation.file == "/mnt/data/x");
        CHECK(release.asked_by->uid == 1001);
    }
    SECTION("by an operator without a record, if it fails")
    {
        world.audit_log.full = true;
        CHECK(world.engine.release_hold(7, Outcome::kDeny, kOperator));
        CHECK(world.holds.released.at(7) == Outcome::kDeny);
    }
    SECTION("not by an operator without a record")
    {
        world.audit_log.full = true;
        const auto released = world.engine.release_hold(7, Outcome::kAllow, kOperator);
        REQUIRE_FALSE(released);
        CHECK_THAT(released.error().message, Catch::Contains("no space left"));
        CHECK(world.holds.released.empty());
    }
    world.feed(hold_end(7, PW_HOLD_TIMED_OUT_DENY, -16));
    REQUIRE(world.audit_log.ended_holds.size() == 1);
    const auto& [hold, outcome] = world.audit_log.ended_holds[0];
    CHECK(hold.hold == 7);
    CHECK(hold.policy == "waits");
    CHECK(outcome.result == "timed_out_deny");
    CHECK(outcome.took == 1000);
    CHECK(outcome.error == EBUSY);
}

TEST_CASE("denials that cannot be recorded are warned of now and then", "[engine][audit_log]")
{
    World world;
    REQUIRE(world.engine.apply({policy_named("stop", Mode::kEnforce)}, false) == 2U);
    world.pin_file();
    world.audit_log.full = true;
    for (int i = 0; i < 3; ++i) {
        world.feed(World::truncate(PW_VERDICT_DENY, 1, 2));
    }
    CHECK(world.warnings.size() == 1);
    world.clock.time += 60'000'000'000;
    world.feed(World::truncate(PW_VERDICT_DENY, 1, 2));
    CHECK(world.warnings.size() == 2);
}
