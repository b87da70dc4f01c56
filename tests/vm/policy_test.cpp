// Policies at run time: applied, listed, refused, deleted, while something is pinned.
#include <catch2/catch.hpp>
#include <fstream>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

bool tells(const std::string& message, const std::vector<std::string>& words)
{
    return std::ranges::all_of(words, [&](const std::string& word) { return message.find(word) != std::string::npos; });
}

}  // namespace

TEST_CASE("policies take effect on what is pinned already, and cease to when they are deleted")
{
    Daemon& daemon = Daemon::shared();
    Api& api = daemon.api();
    const std::string path = Machine::instance().folder("ext4") + "/file";
    Pinner pinner;
    pinner.ok("file " + path + " 65536");
    pinner.ok("pin " + Machine::instance().rdma(Machine::instance().file_access()) + " 16384 16384");
    CHECK(api.policies().empty());

    const std::uint64_t first = api.apply(to_yaml({.name = "one"}));
    CHECK(try_truncate(path, 0) == EBUSY);

    // A second one, and the first again with another errno: it keeps its place and its count.
    const std::uint64_t second =
        api.apply(to_yaml({.name = "two", .mode = "monitor"}) + "---\n" + to_yaml({.name = "one", .error = "EPERM"}));
    CHECK(second > first);
    CHECK(try_truncate(path, 0) == EPERM);
    const auto policies = api.policies();
    REQUIRE(policies.size() == 2);
    CHECK(policies[0].policy().name() == "one");
    CHECK(policies[0].policy().action().deny().error() == "EPERM");
    CHECK(policies[0].source() == "test.yaml");
    CHECK(policies[1].policy().name() == "two");
    CHECK(policies[1].matched() == 1);

    CHECK(api.remove("one") > second);
    CHECK(try_truncate(path, 32767) == 0);
    CHECK(api.policy("two").would_have_denied() == 1);
    CHECK_THROWS_WITH(api.remove("one"), Catch::Contains("one"));
    api.remove("two");
    CHECK(api.policies().empty());
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("a bad policy is refused with line and field, and those in force stay")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string path = Machine::instance().folder("tmpfs") + "/file";
    Pinner pinner;
    pinner.ok("file " + path + " 65536");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    const std::uint64_t generation = daemon.api().status().policy_generation();

    struct Row {
        std::string yaml;
        std::vector<std::string> told;
    };
    const std::string action = "action: {deny: {}}\n";
    const std::vector<Row> rows{
        {"name: x\nmode: enforce\nmatch: {operations: [truncate], pin: {driver: [vfio]}}\n" + action,
         {"test.yaml:3:", "driver", "drivers"}},
        {"name: x\nmode: 7\nmatch: {operations: [truncate]}\n" + action, {"test.yaml:2:", "mode", "enforce"}},
        {"name: x\nmode: enforce\nmatch:\n  operations: [truncate]\n  pin: {min_bytes: 5Mega}\n" + action,
         {"test.yaml:5:", "min_bytes", "MiB"}},
        {"name: x\nmode: enforce\nmatch:\n  operations: [truncate]\n  pin: {min_age: 5}\n" + action,
         {"test.yaml:5:", "min_age", "5s"}},
        {to_yaml({.name = "x"}) + "---\n" + to_yaml({.name = "x"}), {"test.yaml:", "name", "x"}},
        {"name: x\nmode: enforce\nmatch: {}\n" + action, {"test.yaml:3:", "operations"}},
        {"name: x\nmode: enforce\nmatch: {operations: [truncate]}\naction: {deny: {errno: EBUZY}}\n",
         {"test.yaml:4:", "errno", "EBUSY"}},
        // A good one together with a bad one: all or none.
        {to_yaml({.name = "good", .error = "EPERM"}) + "---\nname: y\n", {"test.yaml:"}},
    };
    for (const Row& row : rows) {
        const std::string message = daemon.api().refuse(row.yaml);
        INFO(row.yaml << "\n" << message);
        CHECK(tells(message, row.told));
    }
    CHECK(daemon.api().policies().size() == 1);
    CHECK(daemon.api().status().policy_generation() == generation);
    CHECK(try_truncate(path, 0) == EBUSY);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("pinctl applies, lists and deletes policies")
{
    Daemon& daemon = Daemon::shared();
    const TemporaryFolder folder;
    std::ofstream(folder.file("good.yaml")) << to_yaml({.name = "by-pinctl"});
    std::ofstream(folder.file("bad.yaml"))
        << "name: bad\nmode: enforce\nmatch: {operations: [trunkate]}\naction: {deny: {}}\n";

    const Outcome applied = daemon.pinctl("policy apply " + folder.file("good.yaml"));
    CHECK(applied.status == 0);
    CHECK(applied.err.empty());
    const Outcome refused = daemon.pinctl("policy apply " + folder.file("bad.yaml"));
    CHECK(refused.status == 1);
    CHECK(tells(refused.err, {"bad.yaml:3:", "operations", "truncate"}));
    CHECK(tells(daemon.pinctl("policy list").out, {"by-pinctl", "active", "EBUSY", "good.yaml"}));
    CHECK(daemon.pinctl("policy delete by-pinctl").status == 0);
    CHECK(daemon.api().policies().empty());
    CHECK(daemon.pinctl("policy delete by-pinctl").status == 1);
}
