// The life of policies, as the engine leads it.
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>

#include "policy/policy_yaml.h"
#include "support/engine_world.h"

namespace pinwarden {
namespace {

using test::World;

Policy policy(const std::string& name, const std::string& mode = "enforce", const std::string& source = "grpc",
              const std::string& action = "deny: {}")
{
    auto parsed = parse_policies(
        "name: " + name + "\nmode: " + mode + "\nmatch: {operations: [truncate]}\naction: {" + action + "}\n", source);
    REQUIRE(parsed);
    return parsed->front();
}

Policy killing(const std::string& name, const std::string& source = "grpc")
{
    return policy(name, "enforce", source, "hold: {revoke: {then: [SIGTERM]}}");
}

PolicyState state(World& world, const std::string& name)
{
    const auto policies = world.engine.snapshot().policies;
    const auto found = std::ranges::find_if(policies, [&](const auto& one) { return one.policy.name == name; });
    REQUIRE(found != policies.end());
    return *found;
}

std::vector<std::string> states(World& world)
{
    std::vector<std::string> all;
    for (const PolicyState& one : world.engine.snapshot().policies) {
        all.push_back(one.policy.name + " " + one.state);
    }
    return all;
}

bool noticed(World& world, const std::string& what)
{
    const auto notices = world.engine.snapshot().notices;
    return std::ranges::any_of(notices, [&](const auto& notice) { return notice.find(what) != std::string::npos; });
}

std::uint32_t flags(const World& world, std::size_t slot)
{
    return world.sink.installed.table.policy[slot].flags;
}

// A daemon that comes after, with what the one before has kept.
void restart(World& next, const World& before, const std::vector<Policy>& files = {})
{
    next.store.kept = before.store.kept;
    REQUIRE(next.engine.start_policies(files));
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a mode is changed in place, as a new generation", "[engine_policies]")
{
    World world;
    REQUIRE(world.engine.apply({policy("a"), policy("b")}, false));
    const auto monitoring = world.engine.set_mode("a", Mode::kMonitor);
    REQUIRE(monitoring);
    CHECK(*monitoring == 3);
    CHECK(world.sink.generation == 3);
    CHECK((flags(world, 0) & PW_POLICY_ENFORCE) == 0);
    CHECK((flags(world, 1) & PW_POLICY_ENFORCE) != 0);
    CHECK(states(world) == Names{"a monitoring", "b active"});
    REQUIRE(world.engine.set_mode("b", Mode::kOff));
    REQUIRE(world.engine.set_mode("a", Mode::kEnforce));
    CHECK(states(world) == Names{"a active", "b off"});
}

TEST_CASE("of an unknown name all are told, and a near one first", "[engine_policies]")
{
    World world;
    REQUIRE(world.engine.apply({policy("keep-data"), policy("b")}, false));
    const auto unknown = world.engine.set_mode("keep-dta", Mode::kOff);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ENOENT);
    CHECK(unknown.error().message ==
          "no policy is named \"keep-dta\"; did you mean \"keep-data\"? there are: keep-data, b");
    CHECK(world.engine.remove("x").error().message == "no policy is named \"x\"; there are: keep-data, b");
}

TEST_CASE("policies of the API outlive the daemon, in order and with their modes", "[engine_policies]")
{
    World world;
    REQUIRE(world.engine.apply({policy("b"), policy("a", "enforce", "x.yaml")}, false));
    REQUIRE(world.engine.apply({policy("c"), policy("d")}, false));
    REQUIRE(world.engine.remove("c"));
    REQUIRE(world.engine.set_mode("b", Mode::kOff));

    World next;
    restart(next, world);
    CHECK(states(next) == Names{"b off", "a active", "d active"});
    CHECK(state(next, "a").policy.source == "x.yaml");
    CHECK(next.engine.snapshot().notices.empty());
}

TEST_CASE("nothing is kept of a check, nor of what is refused", "[engine_policies]")
{
    World world;
    REQUIRE(world.engine.apply({policy("a")}, true));
    REQUIRE_FALSE(world.engine.apply({policy("a"), policy("a")}, false));
    CHECK(world.store.saves == 0);
    world.sink.failing = {"install"};
    REQUIRE_FALSE(world.engine.apply({policy("a")}, false));
    CHECK(world.store.names().empty());
    world.sink.failing.clear();
    REQUIRE(world.engine.apply({policy("a")}, false));
    CHECK(world.store.names() == Names{"a"});
    CHECK(world.engine.snapshot().notices.empty());
}

TEST_CASE("what cannot be kept is not put in force, unless it makes for less", "[engine_policies]")
{
    World world;
    REQUIRE(world.engine.apply({policy("a"), policy("b"), policy("c")}, false));
    world.store.full = true;
    const auto refused = world.engine.apply({policy("d")}, false);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::Contains("nothing was changed") && Catch::Contains("No space left") &&
                                            Catch::Contains("--no-state"));
    CHECK(states(world) == Names{"a active", "b active", "c active"});
    CHECK_FALSE(noticed(world, "could not be kept"));

    REQUIRE(world.engine.set_mode("a", Mode::kMonitor));
    REQUIRE(world.engine.set_mode("b", Mode::kOff));
    REQUIRE(world.engine.remove("c"));
    CHECK(states(world) == Names{"a monitoring", "b off"});
    CHECK(noticed(world, "could not be kept"));
    REQUIRE_FALSE(world.engine.set_mode("a", Mode::kEnforce));
    CHECK(states(world) == Names{"a monitoring", "b off"});
    // The same is said once.
    CHECK(world.engine.snapshot().notices.size() == 1);

    world.store.full = false;
    REQUIRE(world.engine.set_mode("b", Mode::kMonitor));
    CHECK(world.store.names() == Names{"a", "b"});
}

TEST_CASE("without a store nothing is kept, and everything works", "[engine_policies]")
{
    World world;
    Engine engine({.clock = world.clock,
                   .verdicts = world.sink,
                   .holds = world.holds,
                   .signals = world.signals,
                   .audit_log = world.audit_log,
                   .paths = world.paths,
                   .truth = world.truth,
                   .processes = world.processes,
                   .owners = world.owners,
                   .names = world.names,
                   .cgroups = world.cgroups,
                   .fanout = world.fanout,
                   .log_warning = [](const std::string&) {}},
                  test::kGeometry, "6.1.0-test");
    REQUIRE(engine.start_policies({policy("a", "monitor", "a.yaml")}));
    REQUIRE(engine.set_mode("a", Mode::kEnforce));
    REQUIRE(engine.apply({policy("b")}, false));
    CHECK(engine.snapshot().policies.size() == 2);
}

TEST_CASE("policies of files are not kept, but the mode that was set for one is", "[engine_policies]")
{
    const std::vector<Policy> files{policy("f", "enforce", "f.yaml"), policy("g", "enforce", "g.yaml")};
    World world;
    REQUIRE(world.engine.start_policies(files));
    CHECK(world.store.saves == 0);
    REQUIRE(world.engine.set_mode("f", Mode::kMonitor));
    CHECK(world.store.names().empty());
    const std::string reason = "an operator set this mode; its file says enforce";
    CHECK(state(world, "f").reason == reason);

    SECTION("after a restart it holds")
    {
        World next;
        restart(next, world, files);
        CHECK(states(next) == Names{"f monitoring", "g active"});
        CHECK(state(next, "f").reason == reason);
        CHECK(state(next, "g").reason.empty());
        REQUIRE(next.engine.set_mode("f", Mode::kEnforce));
        CHECK(state(next, "f").reason.empty());
        CHECK(next.store.kept.modes.empty());
    }
    SECTION("a text that was changed drops it, and that is said")
    {
        std::vector<Policy> changed = files;
        changed[0].pin.min_bytes = 4096;
        World next;
        restart(next, world, changed);
        CHECK(states(next) == Names{"f active", "g active"});
        CHECK(noticed(next, "dropped"));
    }
    SECTION("a start without the file keeps it for the next one with")
    {
        World without;
        restart(without, world);
        REQUIRE(without.engine.apply({policy("h")}, false));
        World next;
        restart(next, without, files);
        CHECK(states(next) == Names{"f monitoring", "g active", "h active"});
    }
}

TEST_CASE("a file's policy that is replaced over the API stays replaced until that one is deleted", "[engine_policies]")
{
    const std::vector<Policy> files{policy("f", "enforce", "f.yaml"), policy("g", "enforce", "g.yaml")};
    World world;
    REQUIRE(world.engine.start_policies(files));
    REQUIRE(world.engine.apply({policy("f", "monitor")}, false));
    World next;
    restart(next, world, files);
    CHECK(states(next) == Names{"f monitoring", "g active"});
    CHECK(state(next, "f").policy.source == "grpc");
    CHECK(state(next, "f").reason.empty());
    REQUIRE(next.engine.remove("f"));
    World last;
    restart(last, next, files);
    CHECK(states(last) == Names{"f active", "g active"});
}

TEST_CASE("a mode that was set keeps no daemon from starting", "[engine_policies]")
{
    std::vector<Policy> files{killing("f", "f.yaml")};
    files[0].mode = Mode::kMonitor;
    World world;
    REQUIRE(world.engine.start_policies(files));
    REQUIRE(world.engine.set_mode("f", Mode::kEnforce));
    World next;
    next.audit_log.full = true;
    restart(next, world, files);
    CHECK(states(next) == Names{"f monitoring"});
    CHECK(noticed(next, "could not be used"));
}

TEST_CASE("a file's policy that cannot be put in force ends the start", "[engine_policies]")
{
    World world;
    world.audit_log.full = true;
    CHECK_FALSE(world.engine.start_policies({killing("f", "f.yaml")}));
}

TEST_CASE("what was kept and cannot be put in force is refused, and kept on", "[engine_policies]")
{
    World before;
    REQUIRE(before.engine.apply({policy("a"), killing("b"), policy("c")}, false));
    before.store.kept.policies.push_back(
        {.name = "z", .source = "grpc", .text = "name: z\nmode: enforce\nfrom_the_future: 1\n", .degraded = ""});
    World world;
    world.audit_log.full = true;
    restart(world, before);
    CHECK(states(world) == Names{"a active", "c active", "b refused", "z refused"});
    CHECK_THAT(state(world, "b").reason,
               Catch::Contains("must be on record first") && Catch::Contains("no space left"));
    CHECK_THAT(state(world, "z").reason, Catch::Contains("from_the_future") && Catch::Contains("unknown field"));
    CHECK(world.sink.installed.table.count == 2);
    CHECK(noticed(world, "\"b\" was kept and is not in force"));
    CHECK(world.engine.metrics().policies_refused == 2);

    SECTION("another change loses none of them")
    {
        world.audit_log.full = false;
        REQUIRE(world.engine.apply({policy("d")}, false));
        World next;
        restart(next, world);
        CHECK(states(next) == Names{"a active", "b active", "c active", "d active", "z refused"});
    }
    SECTION("one can be deleted")
    {
        const auto generation = world.engine.remove("z");
        REQUIRE(generation);
        CHECK(*generation == world.sink.generation);
        CHECK(world.store.names() == Names{"a", "b", "c"});
        CHECK_THAT(world.engine.remove("z").error().message, Catch::Contains("there are: a, c, b"));
    }
    SECTION("one can be replaced")
    {
        world.audit_log.full = false;
        REQUIRE(world.engine.apply({policy("z")}, false));
        CHECK(states(world) == Names{"a active", "c active", "z active", "b refused"});
        CHECK(world.store.names() == Names{"a", "b", "c", "z"});
    }
    SECTION("its mode can be set, which tries it once more")
    {
        REQUIRE_FALSE(world.engine.set_mode("b", Mode::kEnforce));
        CHECK(state(world, "b").state == "refused");
        REQUIRE(world.engine.set_mode("b", Mode::kMonitor));
        CHECK(state(world, "b").state == "monitoring");
        world.audit_log.full = false;
        REQUIRE(world.engine.set_mode("b", Mode::kEnforce));
        CHECK(state(world, "b").state == "active");
        // Where it is in force, it is kept.
        CHECK(world.store.names() == Names{"a", "c", "z", "b"});
    }
    SECTION("one whose text is not understood has to be mended first")
    {
        const auto refused = world.engine.set_mode("z", Mode::kOff);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == EINVAL);
        CHECK_THAT(refused.error().message, Catch::Contains("from_the_future"));
    }
}

TEST_CASE("what was kept and is damaged is said to be", "[engine_policies]")
{
    World world;
    world.store.problem = "policies.yaml is damaged";
    REQUIRE(world.engine.start_policies({policy("f", "enforce", "f.yaml")}));
    CHECK(states(world) == Names{"f active"});
    CHECK(noticed(world, "policies.yaml is damaged"));
    CHECK(std::ranges::find(world.warnings, "policies.yaml is damaged") != world.warnings.end());
}

TEST_CASE("a policy that sends too many signals is degraded, and that is kept", "[engine_policies]")
{
    const bool of_file = GENERATE(true, false);
    const std::string action = "hold: {timeout: 1h, revoke: {grace: 0s, then: [SIGTERM]}}";
    const std::vector<Policy> killer{policy("k", "enforce", of_file ? "k.yaml" : "grpc", action)};
    const std::vector<Policy> files = of_file ? killer : std::vector<Policy>();
    World world;
    REQUIRE(world.engine.start_policies(files));
    REQUIRE((of_file || world.engine.apply(killer, false)));
    world.pin_file();
    world.signals.add(world.engine.ledger().find(5)->owner.process);
    constexpr Nanoseconds kSecond = 1'000'000'000;
    // One caller after the other is held, and for each the owner is signalled anew.
    for (std::uint64_t id = 1; id < 40 && state(world, "k").state != "degraded"; ++id) {
        OperationEvent held = test::truncate_event(65536, 0);
        held.policy = 0;
        held.generation = world.sink.generation;
        held.verdict = PW_VERDICT_HOLD;
        world.clock.time += kSecond;
        world.holds.held = {{id, world.clock.time, world.clock.time + 3600 * kSecond, 1, held}};
        world.engine.step_holds();
        world.holds.held.clear();
        for (int i = 0; i < 2; ++i) {
            world.clock.time += 2 * kSecond;
            world.engine.step_holds();
        }
    }
    CHECK(states(world) == Names{"k degraded"});
    CHECK(world.happenings.size() >= 30);
    CHECK((flags(world, 0) & PW_POLICY_ENFORCE) == 0);
    const std::string reason = state(world, "k").reason;
    CHECK_THAT(reason, Catch::StartsWith("too many signals were sent"));

    World next;
    restart(next, world, files);
    CHECK(states(next) == Names{"k degraded"});
    CHECK(state(next, "k").reason == reason);
    CHECK((flags(next, 0) & PW_POLICY_ENFORCE) == 0);
    REQUIRE(next.engine.set_mode("k", Mode::kEnforce));
    CHECK(states(next) == Names{"k active"});
    CHECK(state(next, "k").reason.empty());
    World last;
    restart(last, next, files);
    CHECK(states(last) == Names{"k active"});
}

TEST_CASE("policies are changed only while the generation is the one that was expected", "[engine_policies]")
{
    World world;
    const auto before = world.engine.apply({policy("a"), policy("b")}, false);
    REQUIRE(before);
    const auto now = world.engine.set_mode("b", Mode::kOff, {}, *before);
    REQUIRE(now);
    CHECK(*now == *before + 1);
    const auto happened = world.happenings;
    const auto kept = world.store.kept;
    const std::uint64_t generations[] = {*before, *now + 1, 0};
    for (const std::uint64_t other : generations) {
        const bool validate_only = other == 0;
        const auto applied = world.engine.apply({policy("c")}, validate_only, {}, other);
        REQUIRE_FALSE(applied);
        CHECK(applied.error().code == ESTALE);
        CHECK(applied.error().field == "if_generation");
        CHECK_THAT(applied.error().message, Catch::Contains(std::to_string(*now)));
        CHECK(world.engine.remove("a", {}, other).error().code == ESTALE);
        CHECK(world.engine.set_mode("a", Mode::kOff, {}, other).error().code == ESTALE);
        // Also of one that there is not: it is not looked for in another generation.
        CHECK(world.engine.remove("none", {}, other).error().code == ESTALE);
    }
    CHECK(states(world) == Names{"a active", "b off"});
    CHECK(world.engine.snapshot().policy_generation == *now);
    CHECK(world.happenings == happened);
    CHECK(world.store.kept == kept);

    CHECK(world.engine.apply({policy("c")}, true, {}, *now) == *now);
    const auto applied = world.engine.apply({policy("c")}, false, {}, *now);
    REQUIRE(applied);
    REQUIRE(world.engine.remove("a", {}, *applied));
    CHECK(states(world) == Names{"b off", "c active"});
}

TEST_CASE("an owner's answer to a revocation is on record, with who gave it", "[engine_policies]")
{
    World world;
    REQUIRE(world.engine.apply(
        {policy("k", "enforce", "grpc", "hold: {timeout: 1m, revoke: {notify: SIGUSR1, grace: 30s}}")}, false));
    world.pin_file();
    const ProcessId owner = world.engine.ledger().find(5)->owner.process;
    world.signals.add(owner);
    const auto events = world.fanout.subscribe().value();
    OperationEvent held = test::truncate_event(65536, 0);
    held.policy = 0;
    held.generation = world.sink.generation;
    held.verdict = PW_VERDICT_HOLD;
    world.clock.time += 1'000'000'000;
    world.holds.held = {{1, world.clock.time, world.clock.time + 60'000'000'000, 1, held}};
    world.engine.step_holds();
    std::uint64_t id = 0;
    while (const auto event = events->pop(std::chrono::seconds(0))) {
        if (const auto* revocation = std::get_if<RevocationNotice>(&event->item->what)) {
            id = revocation->id;
        }
    }
    REQUIRE(id == 1);
    const Requester asking{.uid = 1000, .pid = owner.pid};
    CHECK(world.engine.acknowledge(id, RevocationIntent::kLettingGo, {.uid = 0, .pid = owner.pid + 1}).error().code ==
          EPERM);
    CHECK(world.engine.acknowledge(id + 1, RevocationIntent::kLettingGo, asking).error().code == ENOENT);
    CHECK(world.audit_log.acknowledgements.empty());
    REQUIRE(world.engine.acknowledge(id, RevocationIntent::kLettingGo, asking));
    REQUIRE(world.engine.acknowledge(id, RevocationIntent::kLettingGo, asking));
    REQUIRE(world.audit_log.acknowledgements.size() == 1);
    CHECK(world.audit_log.acknowledgements.front().policy == "k");
    CHECK(world.audit_log.acknowledgements.front().asked_by->pid == owner.pid);
    // An answer needs no room on the disk.
    world.audit_log.full = true;
    CHECK(world.engine.acknowledge(id, RevocationIntent::kCannot, asking));
}

}  // namespace pinwarden
