// Operations whose callers wait: held, and then let go on, or not.
#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <optional>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinned_file.h"
#include "support/pinner.h"
#include "support/ways.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = PinnedFile::kSize;

PolicyText holding(const std::string& hold = "", const std::string& operations = "truncate")
{
    return {.operations = operations, .action = "hold: {" + hold + "}"};
}

std::vector<v1::HeldOperation> wait_for_holds(Api& api, std::size_t count)
{
    std::vector<v1::HeldOperation> holds;
    eventually(std::to_string(count) + " operations are held", [&] {
        holds = api.holds();
        return holds.size() == count;
    });
    return holds;
}

double ended(const std::string& outcome)
{
    return Daemon::metrics().sum("pinwarden_holds_ended_total", {{"outcome", outcome}});
}

}  // namespace

TEST_CASE("every operation waits for the release and then happens once, and fails after its time otherwise")
{
    const auto [filesystem, way] = GENERATE(from_range(possible_ways()));
    INFO(filesystem << ' ' << way.operation);
    Daemon& daemon = Daemon::shared();
    PinnedFile file(filesystem);
    PinnedFile beside("tmpfs");
    {
        const AppliedPolicy policy(daemon.api(), holding("timeout: 200ms, errno: EPERM", way.policy));
        CHECK(call(words(way, file.path)) == "EPERM");
        CHECK(file.whole());
        CHECK(policy.status().held() == 1);
        CHECK(policy.status().denied() == 1);
    }
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m", way.policy));
    const double gone = ended("pins_gone");
    Caller caller(words(way, file.path));
    caller.expect_held();
    CHECK(file.whole());
    file.pinner.ok("release");
    CHECK(caller.result() == "ok");
    CHECK_FALSE(file.whole());
    if (way.operation == "collapse_range" || way.operation == "insert_range") {
        // Once, not twice.
        CHECK(size_of(file.path) == kSize + (way.operation == "insert_range" ? 4096 : -4096));
    }
    CHECK(ended("pins_gone") == gone + 1);
    CHECK(policy.status().held() == 1);
    CHECK(policy.status().denied() == 0);
    CHECK(daemon.api().holds().empty());
    CHECK(beside.whole());
}

TEST_CASE("a hold that times out allows when the policy says so")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 200ms, on_timeout: allow"));
    const double before = ended("timed_out_allow");
    CHECK(call(words(truncate_way(), file.path)) == "ok");
    CHECK(size_of(file.path) == 16384);
    CHECK(ended("timed_out_allow") == before + 1);
}

TEST_CASE("a monitoring policy that would hold changes nothing")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    PolicyText text = holding();
    text.mode = "monitor";
    const AppliedPolicy policy(daemon.api(), text);
    CHECK(try_truncate(file.path, 0) == 0);
    CHECK(policy.status().held() == 0);
    CHECK(policy.status().would_have_held() == 1);
}

TEST_CASE("who is held is known, and can be let go on or not")
{
    const auto [option, result] = GENERATE(table<std::string, std::string>({{"--allow", "ok"}, {"--deny", "EBUSY"}}));
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m"));
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_HOLD_END});
    Caller caller(words(truncate_way(), file.path));
    caller.expect_held();
    const auto hold = wait_for_holds(daemon.api(), 1).front();
    CHECK(hold.conflict().caller().pid() == static_cast<std::uint32_t>(caller.pid()));
    CHECK(hold.conflict().operation() == "truncate");
    CHECK(hold.conflict().file().path() == file.path);
    CHECK(hold.conflict().policy() == "test");
    REQUIRE(hold.conflict().pins_size() == 1);
    CHECK(hold.conflict().pins(0).owner().pid() == static_cast<std::uint32_t>(file.pinner.pid()));
    CHECK(hold.asked() == 1);
    CHECK(daemon.api().status().holds() == 1);
    CHECK(daemon.pinctl("holds").out.find(file.path) != std::string::npos);

    CHECK(daemon.pinctl("holds release " + std::to_string(hold.id() + 1) + " --allow").status == 1);
    CHECK(caller.held());
    CHECK(daemon.pinctl("holds release " + std::to_string(hold.id()) + " " + option).status == 0);
    CHECK(caller.result() == result);
    CHECK((size_of(file.path) == kSize) == (result == "EBUSY"));
    const auto end = watch.wait_for("the end of the hold", [](const auto&) { return true; });
    CHECK(end.outcome() == (result == "ok" ? "allowed" : "denied"));
    CHECK(end.hold().id() == hold.id());
    CHECK(daemon.api().holds().empty());
}

TEST_CASE("a SIGCONT from outside only makes it ask again, and other signals are handled meanwhile")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m"));
    Caller caller({"handler", "truncate", file.path, "16384"});
    caller.expect_held();
    const auto id = wait_for_holds(daemon.api(), 1).front().id();
    for (std::uint64_t asked = 2; asked <= 4; ++asked) {
        caller.signal(SIGUSR1);
        caller.signal(SIGCONT);
        eventually("it asks again", [&] { return daemon.api().holds().front().asked() >= asked; });
        caller.expect_held();
    }
    CHECK(daemon.api().holds().front().id() == id);
    CHECK(file.whole());
    file.pinner.ok("release");
    unsigned long handled = 0;
    CHECK(caller.result(&handled) == "ok");
    CHECK(handled == 3);
    CHECK(policy.status().held() == 1);
}

TEST_CASE("a held caller can be killed, and nothing is left of its hold")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m"));
    const double before = ended("abandoned");
    Caller caller(words(truncate_way(), file.path));
    caller.expect_held();
    caller.signal(SIGKILL);
    CHECK(caller.wait() == 128 + SIGKILL);
    wait_for_holds(daemon.api(), 0);
    CHECK(ended("abandoned") == before + 1);
    CHECK(file.whole());
}

TEST_CASE("when the policy goes, or another comes, who is held is decided about anew")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    Caller* caller = nullptr;
    SECTION("removed: it goes on")
    {
        daemon.api().apply(to_yaml(holding("timeout: 1m")));
        Caller held(words(truncate_way(), file.path));
        caller = &held;
        caller->expect_held();
        daemon.api().remove("test");
        CHECK(caller->result() == "ok");
    }
    SECTION("off: it goes on")
    {
        PolicyText text = holding("timeout: 1m");
        const AppliedPolicy policy(daemon.api(), text);
        Caller held(words(truncate_way(), file.path));
        held.expect_held();
        text.mode = "off";
        daemon.api().apply(to_yaml(text));
        CHECK(held.result() == "ok");
    }
    SECTION("replaced by a denial")
    {
        const AppliedPolicy policy(daemon.api(), holding("timeout: 1m"));
        Caller held(words(truncate_way(), file.path));
        held.expect_held();
        daemon.api().apply(to_yaml({.error = "EPERM"}));
        CHECK(held.result() == "EPERM");
        CHECK(file.whole());
    }
    SECTION("a shorter time counts from when it was first held")
    {
        const AppliedPolicy policy(daemon.api(), holding("timeout: 1m"));
        Caller held(words(truncate_way(), file.path));
        held.expect_held();
        daemon.api().apply(to_yaml(holding("timeout: 200ms")));
        CHECK(held.result() == "EBUSY");
    }
    wait_for_holds(daemon.api(), 0);
}

TEST_CASE("callers of every kind are held and go on, or get what the policy says for those who cannot be")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m"));
    const auto way = GENERATE(std::vector<std::string>{"init"}, std::vector<std::string>{"traced"},
                              std::vector<std::string>{"threads"}, std::vector<std::string>{"user", "1000"});
    INFO(way.front());
    REQUIRE(shell("chmod 666 " + file.path).status == 0);
    std::vector<std::string> all = way;
    const auto operation = way.front() == "user" ? std::vector<std::string>{"ftruncate", file.path, "16384"}
                                                 : words(truncate_way(), file.path);
    all.insert(all.end(), operation.begin(), operation.end());
    Caller caller(all);
    caller.expect_held();
    wait_for_holds(daemon.api(), 1);
    CHECK(file.whole());
    file.pinner.ok("release");
    CHECK(caller.result() == "ok");
    CHECK(size_of(file.path) == 16384);
}

TEST_CASE("io_uring gets the fallback, never the kernel's own restart code")
{
    if (Machine::instance().older_than(6, 9)) {
        return;
    }
    const auto [fallback, result] = GENERATE(table<std::string, std::string>({{"deny", "EBUSY"}, {"allow", "ok"}}));
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m, fallback: " + fallback));
    CHECK(call({"uring", "ftruncate", file.path, "16384"}) == result);
    CHECK(file.whole() == (result == "EBUSY"));
    CHECK(policy.status().held() == 0);
    CHECK(policy.status().denied() == (result == "EBUSY" ? 1 : 0));
}

TEST_CASE("while the daemon stands still nobody new is held, and who is, not for longer than its time")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 5s"));
    Caller caller(words(truncate_way(), file.path));
    caller.expect_held();
    {
        const Daemon::Paused paused(daemon);
        CHECK(caller.result() == "EBUSY");
        CHECK(call(words(truncate_way(), file.path)) == "EBUSY");
    }
    wait_for_holds(daemon.api(), 0);
    CHECK(file.whole());
}

TEST_CASE("an unmount waits until the last pin of the file system is gone")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const OwnMount mount(filesystem);
    const std::string path = mount.in("pinned");
    Pinner pinner;
    pinner.ok("file " + path + " " + std::to_string(kSize));
    pinner.ok("fill mapping 41");
    pinner.ok("pin " + Machine::instance().rdma(filesystem == "tmpfs" ? "rw" : Machine::instance().file_access()) +
              " 16384 16384");
    const AppliedPolicy policy(daemon.api(), holding("timeout: 1m", "umount"));
    Caller caller({"umount", mount.path(), "0"});
    caller.expect_held();
    CHECK(wait_for_holds(daemon.api(), 1).front().conflict().operation() == "umount");
    CHECK(mount.mounted());
    pinner.kill();
    CHECK(caller.result() == "ok");
    CHECK_FALSE(mount.mounted());
}

TEST_CASE("a policy that denies may hold until all pins are known")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), {.match = "pin: {drivers: [vfio]}", .unresolved = "hold"});
    CHECK(call(words(truncate_way(), file.path)) == "ok");
    {
        // The daemon cannot say whose pin that is: held, until its time is up or it wakes.
        std::optional<Daemon::Paused> paused(std::in_place, daemon);
        Pinner pinner;
        pinner.ok("file " + file.path + " " + std::to_string(kSize));
        pinner.ok("pin uring 0 65536");
        Caller caller(words(truncate_way(), file.path));
        caller.expect_held();
        paused.reset();
        CHECK(caller.result() == "ok");
    }
    CHECK(policy.status().held() == 1);
    CHECK(policy.status().denied() == 0);
}
