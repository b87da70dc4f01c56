// Owners of pins that are in the way are asked to let go, and made to; nobody else is.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <optional>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Each has a name of its own: how many signals it may send counts by name.
PolicyText revoking(const std::string& name, const std::string& revoke, const std::string& operations = "truncate",
                    const std::string& timeout = "1m")
{
    return {
        .name = name, .operations = operations, .action = "hold: {timeout: " + timeout + ", revoke: {" + revoke + "}}"};
}

std::vector<std::string> truncating(const std::string& path)
{
    return {"truncate", path, "16384"};
}

double signals(const std::string& outcome)
{
    return Daemon::metrics().sum("pinwarden_signals_total", {{"outcome", outcome}});
}

double revocations(const std::string& outcome)
{
    return Daemon::metrics().sum("pinwarden_revocations_total", {{"outcome", outcome}});
}

// Of signals.
std::string last_records(const std::string& path, int count)
{
    return shell("grep '\"kind\":\"signal\"' " + path + " | tail -n " + std::to_string(count)).out;
}

std::size_t count(const std::string& text, const std::string& part)
{
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

// A process like the owner in every way but that its pins are on another file.
struct Bystander {
    Bystander() : file("tmpfs") {}

    void expect_unharmed()
    {
        CHECK(file.whole());
        CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
    }

    PinnedFile file;
};

}  // namespace

TEST_CASE("an owner that lets go when it is asked lives, and the operation goes on")
{
    const std::string filesystem = GENERATE("tmpfs", "ext4", "xfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    PinnedFile file(filesystem);
    Bystander bystander;
    file.pinner.ok("answer");
    const double answered = revocations("answered");
    const double sent = signals("sent");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_SIGNAL, v1::EVENT_KIND_REVOCATION});
    const AppliedPolicy policy(
        daemon.api(), revoking("asks-" + filesystem, "notify: SIGUSR1, grace: 20s, then: [SIGTERM, 5s, SIGKILL]"));
    CHECK(call(truncating(file.path)) == "ok");
    CHECK(size_of(file.path) == 16384);
    bystander.expect_unharmed();
    watch.wait_for("the end of the revocation", [](const auto& event) {
        return event.kind() == v1::EVENT_KIND_REVOCATION && event.revocation().end() == "answered";
    });
    CHECK(revocations("answered") == answered + 1);
    CHECK(signals("sent") == sent + 1);
    const auto signal = watch.wait_for("the signal", [](const auto& e) { return e.kind() == v1::EVENT_KIND_SIGNAL; });
    CHECK(signal.signal().signal() == "SIGUSR1");
    CHECK(signal.signal().victim().pid() == static_cast<std::uint32_t>(file.pinner.pid()));
    CHECK(signal.signal().outcome() == "sent");
    CHECK(signal.signal().policy() == "asks-" + filesystem);
}

TEST_CASE("an owner that will not let go is killed in the end, and the operation goes on when its pins are gone")
{
    const std::string filesystem = GENERATE("tmpfs", "ext4", "xfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    PinnedFile file(filesystem);
    Bystander bystander;
    file.pinner.ok("ignore");
    const double released = revocations("released");
    const double sent = signals("sent");
    const AppliedPolicy policy(
        daemon.api(),
        revoking("kills-" + filesystem, "notify: SIGUSR1, grace: 300ms, then: [SIGTERM, 300ms, SIGKILL]"));
    // Both wait for the same owner: it is asked once.
    Caller first(truncating(file.path));
    Caller second(truncating(file.path));
    CHECK(first.result() == "ok");
    CHECK(second.result() == "ok");
    CHECK(file.pinner.wait() == 128 + SIGKILL);
    CHECK(size_of(file.path) == 16384);
    bystander.expect_unharmed();
    eventually("the revocation has ended", [&] { return revocations("released") == released + 1; });
    CHECK(signals("sent") == sent + 3);
    const std::string log = last_records(daemon.audit_log(), 6);
    const std::string pid = "\"pid\":" + std::to_string(file.pinner.pid()) + ",";
    CHECK(count(log, "\"phase\":\"begin\"") == 3);
    CHECK(count(log, "\"victim\":{" + pid) == 3);
    CHECK(count(log, "\"outcome\":\"sent\"") == 3);
    CHECK(log.find("SIGUSR1") < log.find("SIGTERM"));
    CHECK(log.find("SIGTERM") < log.find("SIGKILL"));
}

TEST_CASE("a policy that only monitors signals nobody")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const double sent = signals("sent");
    PolicyText text = revoking("monitors", "grace: 100ms, then: [SIGKILL]");
    text.mode = "monitor";
    const AppliedPolicy policy(daemon.api(), text);
    CHECK(call(truncating(file.path)) == "ok");
    CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
    CHECK(signals("sent") == sent);
}

TEST_CASE("an unmount waits until the owner was killed and the kernel has let go of its pins")
{
    const std::string filesystem = GENERATE("ext4", "xfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const OwnMount mount(filesystem);
    Pinner pinner;
    pinner.ok("file " + mount.in("pinned") + " 65536");
    pinner.ok("pin " + Machine::instance().rdma(Machine::instance().file_access()) + " 16384 16384");
    Bystander bystander;
    const AppliedPolicy policy(daemon.api(), revoking("unmounts", "grace: 200ms, then: [SIGKILL]", "umount"));
    CHECK(call({"umount", mount.path(), "0"}) == "ok");
    CHECK_FALSE(mount.mounted());
    CHECK(pinner.wait() == 128 + SIGKILL);
    bystander.expect_unharmed();
}

TEST_CASE("a process that got the pid of an owner that is gone is left alone")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    // The heir has the pins, and keeps them.
    const pid_t heir = std::stoi(file.pinner.ok("heir"));
    const double gone = signals("gone");
    const AppliedPolicy policy(daemon.api(), revoking("knows", "grace: 2s, then: [SIGKILL]", "truncate", "6s"));
    Caller caller(truncating(file.path));
    caller.expect_held();
    const std::string pid = std::to_string(file.pinner.pid());
    std::optional<Process> newcomer;
    {
        const Daemon::Paused paused(daemon);
        file.pinner.kill();
        for (int tries = 0; tries < 100 && (!newcomer || std::to_string(newcomer->pid()) != pid); ++tries) {
            newcomer.reset();
            std::ofstream("/proc/sys/kernel/ns_last_pid") << std::stoi(pid) - 1;
            newcomer.emplace(std::vector<std::string>{"sleep", "1000"});
        }
        REQUIRE(std::to_string(newcomer->pid()) == pid);
    }
    CHECK(caller.result() == "EBUSY");
    CHECK(newcomer->running());
    CHECK(signals("gone") >= gone + 1);
    REQUIRE(::kill(heir, SIGKILL) == 0);
    eventually("its pins are gone", [&] { return daemon.api().status().pins() == 0; });
}

TEST_CASE("protected processes are left alone, too many signals end in monitor mode, and none is sent without a record")
{
    Daemon::stop_shared();
    const std::string folder = Machine::instance().folder("tmpfs");
    const std::string pinner = shell("command -v pinner").out;
    {
        Daemon daemon({"--protect", pinner.substr(0, pinner.find('\n'))});
        PinnedFile file("tmpfs");
        const AppliedPolicy policy(daemon.api(), revoking("test", "grace: 100ms, then: [SIGKILL]", "truncate", "1s"));
        CHECK(call(truncating(file.path)) == "EBUSY");
        CHECK(file.whole());
        CHECK(signals("protected") >= 1);
        CHECK(signals("sent") == 0);
        CHECK(revocations("spared") == 1);
        daemon.stop();
    }
    const std::string disk = folder + "/disk";
    REQUIRE(shell("mkdir " + disk + " && mount -t tmpfs -o size=64k tmpfs " + disk).status == 0);
    {
        Daemon daemon({"--audit-log", disk + "/audit.log"});
        daemon.api().apply(to_yaml(revoking("test", "grace: 100ms, then: [SIGKILL]", "truncate", "3s")));
        REQUIRE(shell("dd if=/dev/zero of=" + disk + "/full bs=4k 2> /dev/null || true").status == 0);
        // What is left of the last block of the log is used up, too.
        REQUIRE(shell("truncate -s 4096 " + disk + "/audit.log").status == 0);
        PinnedFile file("tmpfs");
        CHECK(call(truncating(file.path)) == "EBUSY");
        CHECK(file.whole());
        CHECK(signals("failed") >= 1);
        CHECK(signals("sent") == 0);
        REQUIRE(shell("rm " + disk + "/full").status == 0);

        // 10 at once are allowed.
        daemon.api().apply(to_yaml(revoking("test", "grace: 100ms, then: [SIGTERM, 100ms, SIGKILL]")));
        for (int i = 0; i < 5; ++i) {
            PinnedFile next("tmpfs");
            next.pinner.ok("ignore");
            CHECK(call(truncating(next.path)) == "ok");
            CHECK(next.pinner.wait() == 128 + SIGKILL);
        }
        CHECK(signals("sent") == 10);
        CHECK(call(truncating(file.path)) == "ok");
        CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
        const auto status = daemon.api().policy("test");
        CHECK(status.state() == "degraded");
        CHECK(status.reason().find("too many signals") != std::string::npos);
        CHECK(Daemon::metrics().sum("pinwarden_policies", {{"state", "degraded"}}) == 1);
        // Whoever applies it again has looked at it.
        daemon.api().apply(to_yaml(revoking("test", "grace: 100ms, then: [SIGKILL]")));
        CHECK(daemon.api().policy("test").state() == "active");
        daemon.stop();
    }
    CHECK(shell("umount " + disk).status == 0);
}
