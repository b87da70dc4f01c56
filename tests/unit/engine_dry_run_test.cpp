// What the engine answers when it is asked what would happen.
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "policy/policy_yaml.h"
#include "support/engine_world.h"

namespace pinwarden {
namespace {

using test::World;

constexpr std::uint32_t kDevice = 8U << 20U | 1U;

std::vector<Policy> policies(const std::string& action, const std::string& name = "p")
{
    auto parsed = parse_policies(
        "name: " + name + "\nmode: enforce\nmatch: {operations: [truncate, umount]}\naction: {" + action + "}\n",
        "test.yaml");
    REQUIRE(parsed);
    return *parsed;
}

// The file that World::pin_file() pins.
DryRunQuestion question(std::uint64_t size)
{
    return {.path = "/mnt/data/x",
            .operation = {PW_OPERATION_TRUNCATE, size, 0},
            .policies = {},
            .caller_comm = "",
            .found = FoundFile{.path = "/mnt/data/x",
                               .inode = 42,
                               .device = kDevice,
                               .size = 65536,
                               .block_bytes = 4096,
                               .regular = true,
                               .filesystem = "ext4",
                               .mountpoint = "/mnt",
                               .directories = {{42, kDevice}}}};
}

}  // namespace

TEST_CASE("a dry run finds the pins of the file, and changes nothing", "[engine_dry_run]")
{
    World world;
    world.pin_file();
    REQUIRE(world.engine.apply(policies("deny: {errno: EPERM}"), false));
    const auto calls = world.sink.calls;
    const auto saves = world.store.saves;
    const auto view = world.engine.test(question(0));
    REQUIRE(view);
    CHECK(view->run.conflict.operation.verdict == PW_VERDICT_DENY);
    CHECK(view->deciding->name == "p");
    REQUIRE(view->run.conflict.pins.size() == 1);
    CHECK(view->run.conflict.pins[0].mm == 0);
    CHECK(view->run.conflict.pins[0].stack.empty());
    CHECK_FALSE(view->signals);
    CHECK(view->ledger_certain);

    // One of the same name in its place, and one that comes after.
    DryRunQuestion other = question(0);
    other.policies = policies("hold: {}");
    other.policies.push_back(policies("deny: {}", "q").front());
    const auto held = world.engine.test(other);
    REQUIRE(held);
    CHECK(held->run.conflict.operation.verdict == PW_VERDICT_HOLD);
    CHECK(held->tested == std::vector<std::string>{"p", "q"});
    REQUIRE(held->run.findings.size() == 2);
    CHECK(held->run.findings[1].matched);

    CHECK(world.sink.calls == calls);
    CHECK(world.store.saves == saves);
    CHECK(world.engine.snapshot().policies.size() == 1);
    CHECK(world.engine.snapshot().policies[0].counters.matched == 0);
    CHECK(world.engine.test(question(65536))->run.conflict.operation.verdict == PW_VERDICT_ALLOW);
}

TEST_CASE("a dry run tells whom a policy would signal, and sends nothing", "[engine_dry_run]")
{
    World world;
    world.pin_file();
    const ProcessId owner = world.engine.ledger().find(5)->owner.process;
    REQUIRE(world.engine.apply(policies("hold: {revoke: {notify: SIGUSR1, grace: 1s, then: [SIGTERM]}}"), false));
    world.happenings.clear();
    SECTION("an ordinary process")
    {
        world.signals.add(owner);
        const auto view = world.engine.test(question(0));
        REQUIRE(view);
        REQUIRE(view->signals);
        REQUIRE(view->signals->owners.size() == 1);
        const PreviewedOwner& victim = view->signals->owners[0];
        CHECK(victim.who.process == owner);
        REQUIRE(victim.signals.size() == 2);
        CHECK(victim.signals[1].signal == SIGTERM);
        CHECK(victim.signals[1].after == 1'000'000'000);
        CHECK_FALSE(victim.spared);
    }
    SECTION("a protected one")
    {
        world.signals.add(owner).executable = "/usr/sbin/sshd";
        const auto view = world.engine.test(question(0));
        REQUIRE(view);
        const PreviewedOwner& victim = view->signals->owners.at(0);
        CHECK(victim.signals.empty());
        CHECK(victim.spared == ActOutcome::kProtected);
        CHECK_THAT(victim.reason, Catch::Contains("always protected"));
    }
    CHECK(world.happenings.empty());
}

TEST_CASE("a file may be given by its inode, if it has pins", "[engine_dry_run]")
{
    World world;
    world.pin_file();
    REQUIRE(world.engine.apply(policies("deny: {}"), false));
    DryRunQuestion by_inode{.path = "",
                            .inode = 42,
                            .device = kDevice,
                            .operation = {PW_OPERATION_TRUNCATE, 0, 0},
                            .policies = {},
                            .caller_comm = ""};
    const auto view = world.engine.test(by_inode);
    REQUIRE(view);
    CHECK(view->run.conflict.operation.verdict == PW_VERDICT_DENY);
    CHECK(view->run.conflict.path == "/mnt/data/x");
    by_inode.inode = 43;
    const auto unknown = world.engine.test(by_inode);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ENOENT);
    CHECK_THAT(unknown.error().message, Catch::Contains("inode 43 of device 8:1"));
}

TEST_CASE("a question about the wrong kind of file is refused", "[engine_dry_run]")
{
    World world;
    DryRunQuestion folder = question(0);
    folder.found->regular = false;
    CHECK(world.engine.test(folder).error().code == EINVAL);
    DryRunQuestion umount = question(0);
    umount.operation = {PW_OPERATION_UMOUNT, 0, 0};
    CHECK_THAT(world.engine.test(umount).error().message,
               Catch::Contains("it is on what is mounted at /mnt, give that"));
    DryRunQuestion invalid = question(0);
    invalid.policies = policies("deny: {}");
    invalid.policies.push_back(invalid.policies.front());
    CHECK_FALSE(world.engine.test(invalid));
}

TEST_CASE("on XFS the block in front of what is moved is taken as well", "[engine_dry_run]")
{
    World world;
    world.pin_file();
    REQUIRE(world.engine.apply(*parse_policies("name: p\nmode: enforce\nmatch: {operations: [collapse_range]}\n"
                                               "action: {deny: {}}\n",
                                               "test"),
                               false));
    DryRunQuestion collapse = question(0);
    collapse.operation = {PW_OPERATION_COLLAPSE_RANGE, 16 * 4096 - 4096, 4096};
    collapse.found->filesystem = "xfs";
    CHECK(world.engine.test(collapse)->run.conflict.first_page == 14);
    collapse.found->filesystem = "ext4";
    CHECK(world.engine.test(collapse)->run.conflict.first_page == 15);
}

}  // namespace pinwarden
