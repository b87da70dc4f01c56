#include "act/protected_processes.h"

#include <catch2/catch.hpp>
#include <cerrno>

namespace pinwarden {
namespace {

ProcessFacts process(const std::string& executable, std::optional<std::uint32_t> owner = 0)
{
    ProcessFacts facts;
    facts.process = {4711, 7};
    facts.comm = "worker";
    facts.executable = executable;
    facts.executable_owner = owner;
    return facts;
}

}  // namespace

TEST_CASE("an ordinary process is not protected", "[protected]")
{
    const ProtectedProcesses processes;
    for (const char* executable : {"/usr/bin/worker", "/usr/bin/systemdx", "/usr/sbin/sshd2", "/opt/systemd/worker",
                                   "/usr/bin/dbus-daemon.bak", "/sshd/x"}) {
        INFO(executable);
        CHECK_FALSE(processes.reason(process(executable)));
    }
}

TEST_CASE("what keeps the machine usable is protected", "[protected]")
{
    const ProtectedProcesses processes;
    for (const char* executable :
         {"/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-udevd",
          "/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/bin/dbus-daemon", "/usr/bin/dbus-broker",
          "/usr/bin/dbus-broker-launch", "/usr/sbin/pinwardend", "/sbin/journald"}) {
        INFO(executable);
        const auto reason = processes.reason(process(executable));
        REQUIRE(reason);
        CHECK(*reason == std::string(executable) + " is always protected: the machine needs it");
        // Whom it belongs to may not be known.
        CHECK(processes.reason(process(executable, std::nullopt)));
    }
}

TEST_CASE("nobody protects himself by a name", "[protected]")
{
    const ProtectedProcesses processes;
    ProcessFacts forged = process("/usr/bin/worker");
    for (const char* comm : {"sshd", "systemd", "systemd-journal", "dbus-daemon", "kthreadd", "pinwardend"}) {
        forged.comm = comm;
        CHECK_FALSE(processes.reason(forged));
    }
    CHECK_FALSE(processes.reason(process("/srv/mallory/sshd", 1000)));
    CHECK_FALSE(processes.reason(process("/tmp/systemd-x", 1000)));
}

TEST_CASE("some are protected whatever they run", "[protected]")
{
    const ProtectedProcesses processes;
    ProcessFacts facts = process("/usr/bin/worker");
    CHECK_FALSE(processes.reason(facts));

    SECTION("the first process")
    {
        facts.process.pid = 1;
        CHECK(processes.reason(facts) == "pid 1 keeps the machine running");
    }
    SECTION("nobody")
    {
        facts.process.pid = 0;
        CHECK(processes.reason(facts) == "it is not known which process it is");
    }
    SECTION("a kernel thread")
    {
        facts.kernel_thread = true;
        CHECK(processes.reason(facts) == "it is a kernel thread");
    }
    SECTION("the daemon")
    {
        facts.kin = Kin::kSelf;
        CHECK(processes.reason(facts) == "it is this daemon");
    }
    SECTION("its parent")
    {
        facts.kin = Kin::kParent;
        CHECK(processes.reason(facts) == "it is the parent of this daemon");
    }
    SECTION("one whose executable cannot be read")
    {
        facts.executable.clear();
        CHECK(processes.reason(facts) == "its executable cannot be read, so it might be a protected one");
    }
}

TEST_CASE("others are protected by path, or by name", "[protected]")
{
    const auto processes = ProtectedProcesses::with({"/usr/bin//qemu", "postgres"});
    REQUIRE(processes);
    CHECK(processes->reason(process("/usr/bin/qemu", 1000)) ==
          "/usr/bin/qemu is protected by the daemon's configuration (\"/usr/bin/qemu\")");
    CHECK(processes->reason(process("/opt/pg/bin/postgres", 1000)));
    CHECK(processes->reason(process("/usr/sbin/sshd")));
    CHECK_FALSE(processes->reason(process("/opt/qemu")));
    CHECK_FALSE(processes->reason(process("/opt/postgres/worker")));
}

TEST_CASE("what cannot be an executable is refused", "[protected]")
{
    for (const char* entry : {"", ".", "..", "/", "bin/x", "./x", "/a/../b", "/usr/bin/", "/a\nb"}) {
        INFO(entry);
        const auto processes = ProtectedProcesses::with({"postgres", entry});
        REQUIRE_FALSE(processes);
        CHECK(processes.error().code == EINVAL);
        CHECK_THAT(processes.error().message, Catch::StartsWith("protected process"));
    }
}

}  // namespace pinwarden
