// Policies' files that are read again while the engine runs.
#include <catch2/catch.hpp>
#include <cerrno>

#include "policy/policy_yaml.h"
#include "support/engine_world.h"

namespace pinwarden {
namespace {

using test::World;
using Texts = std::vector<std::string>;

Policy policy(const std::string& name, const std::string& mode = "enforce", const std::string& error = "EBUSY",
              const std::string& source = "/etc/p.yaml")
{
    auto parsed = parse_policies("name: " + name + "\nmode: " + mode +
                                     "\nmatch: {operations: [truncate]}\naction: {deny: {errno: " + error + "}}\n",
                                 source);
    REQUIRE(parsed);
    return parsed->front();
}

Texts states(World& world)
{
    Texts all;
    for (const PolicyState& one : world.engine.snapshot().policies) {
        all.push_back(one.policy.name + " " + one.state + " " + errno_name(one.policy.deny_errno));
    }
    return all;
}

Texts changed(World& world, const std::vector<Policy>& files)
{
    const auto changes = world.engine.reload(files, {});
    REQUIRE(changes);
    Texts names;
    for (const PolicyChange& change : *changes) {
        names.push_back(change.name);
    }
    return names;
}

bool warned(const World& world, const std::string& what)
{
    return std::ranges::any_of(world.warnings, [&](const auto& text) { return text.find(what) != std::string::npos; });
}

}  // namespace

TEST_CASE("a reload exchanges the files' policies in one generation, and leaves the others", "[engine_reload]")
{
    World world;
    REQUIRE(world.engine.start_policies({policy("stays"), policy("changes"), policy("goes")}));
    REQUIRE(world.engine.apply({policy("operators", "monitor", "EPERM", "grpc")}, false));
    world.feed(World::truncate(PW_VERDICT_DENY, 1, world.sink.generation));
    const std::uint32_t before = world.sink.generation;

    CHECK(changed(world, {policy("comes"), policy("stays"), policy("changes", "monitor")}) ==
          Texts{"comes", "changes", "goes"});
    CHECK(world.sink.generation == before + 1);
    CHECK(states(world) ==
          Texts{"comes active EBUSY", "stays active EBUSY", "changes monitoring EBUSY", "operators monitoring EPERM"});
    CHECK(world.engine.snapshot().policies.at(1).counters.denied == 1);
    const PolicyEntry& record = world.audit_log.policies.back();
    CHECK(record.action == "reload");
    CHECK_FALSE(record.asked_by);
    CHECK(record.policies.size() == 3);
    CHECK(world.store.names() == Texts{"operators"});
}

TEST_CASE("a reload that finds nothing new changes nothing", "[engine_reload]")
{
    World world;
    REQUIRE(world.engine.start_policies({policy("a"), policy("b")}));
    REQUIRE(world.engine.apply({policy("c", "enforce", "EPERM", "grpc")}, false));
    const std::uint32_t before = world.sink.generation;
    const std::size_t records = world.audit_log.policies.size();
    CHECK(changed(world, {policy("a"), policy("b")}).empty());
    CHECK(world.sink.generation == before);
    CHECK(world.audit_log.policies.size() == records);
    // Another order decides otherwise; another file does not, but is shown.
    CHECK(changed(world, {policy("b"), policy("a", "enforce", "EBUSY", "/etc/q.yaml")}).empty());
    CHECK(world.sink.generation == before + 1);
    CHECK(states(world) == Texts{"b active EBUSY", "a active EBUSY", "c active EPERM"});
    CHECK(world.engine.snapshot().policies.at(1).policy.source == "/etc/q.yaml");
}

TEST_CASE("a reload that cannot be put in force leaves everything as it was", "[engine_reload]")
{
    World world;
    REQUIRE(world.engine.start_policies({policy("a")}));
    const std::uint32_t before = world.sink.generation;
    SECTION("the kernel refuses")
    {
        world.sink.failing = {"install"};
    }
    SECTION("it cannot be recorded")
    {
        world.audit_log.full = true;
    }
    CHECK_FALSE(world.engine.reload({policy("a", "enforce", "EPERM"), policy("b")}, {.leak_after = 1}));
    CHECK(world.sink.generation == before);
    CHECK(states(world) == Texts{"a active EBUSY"});
    world.sink.failing = {};
    world.audit_log.full = false;
    CHECK(changed(world, {policy("a", "enforce", "EPERM"), policy("b")}) == Texts{"a", "b"});
}

TEST_CASE("what operators did to a file's policy stays as long as the file says the same", "[engine_reload]")
{
    World world;
    REQUIRE(world.engine.start_policies({policy("mode"), policy("gone"), policy("replaced")}));
    REQUIRE(world.engine.set_mode("mode", Mode::kMonitor));
    REQUIRE(world.engine.remove("gone"));
    REQUIRE(world.engine.apply({policy("replaced", "enforce", "EPERM", "grpc")}, false));
    CHECK(changed(world, {policy("mode"), policy("gone"), policy("replaced")}).empty());
    CHECK(states(world) == Texts{"mode monitoring EBUSY", "replaced active EPERM"});
    CHECK(warned(world, "policy \"gone\" of /etc/p.yaml is not in force: an operator deleted it"));

    const std::vector<Policy> others{policy("mode", "enforce", "EPERM"), policy("gone", "off"),
                                     policy("replaced", "off")};
    CHECK(changed(world, others) == Texts{"mode", "gone"});
    CHECK(states(world) == Texts{"mode active EPERM", "gone off EBUSY", "replaced active EPERM"});
    CHECK(warned(world, "the mode that was set for policy \"mode\" is dropped"));
    CHECK(warned(world, "policy \"replaced\" of /etc/p.yaml is not in force: one that was applied over the API"));
    CHECK(world.store.kept.modes.empty());

    // With its file gone the policy goes; what came over the API does not.
    CHECK(changed(world, {policy("mode", "enforce", "EPERM")}) == Texts{"gone"});
    CHECK(states(world) == Texts{"mode active EPERM", "replaced active EPERM"});
}

TEST_CASE("times and protected processes are used from a reload on", "[engine_reload]")
{
    World world;
    world.pin_file();
    pw_exit exit = test::raw_exit();
    exit.header.time = world.clock.time;
    world.feed(exit);
    REQUIRE(world.engine.next_tick() == world.clock.time + 5'000'000'000);
    REQUIRE(world.engine.reload({}, {.leak_after = 1'000'000'000}));
    CHECK(world.engine.next_tick() == world.clock.time + 1'000'000'000);
    world.clock.time += 1'000'000'000;
    world.engine.tick({});
    CHECK(world.engine.pins({}, 0).pins.at(0).pin.leak);
}

}  // namespace pinwarden
