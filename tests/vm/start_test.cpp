// How pinwardend starts, refuses to start, and stops.
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden::test;

namespace {

void write_file(const std::string& path, const std::string& text)
{
    std::ofstream(path) << text;
}

using KernelObjects = std::set<std::string>;

// What of ours the kernel could still hold: tracing programs, links, pinned objects. Each by its id or path, which the
// kernel gives only once.
KernelObjects kernel_objects()
{
    Outcome listed;
    // bpftool gives up when a program goes while it lists them.
    eventually("programs and links are listed", [&] {
        listed = shell(R"(
        bpftool -j prog list |
            jq -r '.[] | select(.type == "tracing" or .type == "kprobe" or .type == "syscall") | "program", .id' |
            paste - -
        bpftool -j link list | jq -r '.[] | "link", .id' | paste - -
        find /sys/fs/bpf -mindepth 1)");
        return listed.status == 0;
    });
    std::istringstream lines(listed.out);
    KernelObjects objects;
    for (std::string line; std::getline(lines, line);) {
        objects.insert(line);
    }
    return objects;
}

// Those that were not there before. A daemon that ran before may well have let go of some since.
KernelObjects added_since(const KernelObjects& before)
{
    KernelObjects added;
    std::ranges::set_difference(kernel_objects(), before, std::inserter(added, added.end()));
    return added;
}

std::size_t count_of(const std::string& text, const std::string& part)
{
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("policy files are in force from the start, and SIGTERM lets go of everything")
{
    const KernelObjects before = kernel_objects();
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder.file("policies"));
    write_file(folder.file("policies/10.yaml"), to_yaml({.name = "from-folder"}));
    write_file(folder.file("single.yaml"), to_yaml({.name = "from-file", .mode = "monitor"}));
    Daemon daemon({"--policy", folder.file("policies"), "--policy", folder.file("single.yaml")});

    // Else the kernel fills up what the daemon gave back of its memory.
    CHECK_THAT(content_of("/proc/" + std::to_string(daemon.pid()) + "/status"), Catch::Contains("THP_enabled:\t0\n"));

    const auto policies = daemon.api().policies();
    REQUIRE(policies.size() == 2);
    CHECK(policies[0].policy().name() == "from-folder");
    CHECK(policies[0].state() == "active");
    CHECK(policies[0].source() == folder.file("policies/10.yaml"));
    CHECK(policies[1].state() == "monitoring");

    const std::string path = Machine::instance().folder("tmpfs") + "/file";
    Pinner pinner;
    pinner.ok("file " + path + " 65536");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    CHECK(try_truncate(path, 0) == EBUSY);
    CHECK_FALSE(added_since(before).empty());

    daemon.stop();
    CHECK(try_truncate(path, 0) == 0);
    // The kernel frees programs a little later.
    eventually("no program and no link is left", [&] { return added_since(before).empty(); });
    pinner.end();
}

TEST_CASE("a daemon that is killed leaves nothing attached and a socket that the next one takes over")
{
    const KernelObjects before = kernel_objects();
    const TemporaryFolder folder;
    const std::string socket = folder.file("operator.sock");
    {
        Process killed({"pinwardend", "--socket", socket}, folder.file("messages"));
        eventually("it serves", [&] { return std::filesystem::exists(socket); }, kStart);
        killed.signal(SIGKILL);
        killed.wait();
    }
    eventually("no program and no link is left", [&] { return added_since(before).empty(); });
    REQUIRE(std::filesystem::exists(socket));

    Process next({"pinwardend", "--socket", socket}, folder.file("messages"));
    eventually(
        "the next one is ready", [&] { return content_of(folder.file("messages")).find("ready") != std::string::npos; },
        kStart);
    next.signal(SIGTERM);
    CHECK(next.wait() == 0);
    CHECK_FALSE(std::filesystem::exists(socket));
}

TEST_CASE("what cannot start says why in one message, and leaves nothing behind")
{
    Daemon& running = Daemon::shared();
    const KernelObjects before = kernel_objects();
    const TemporaryFolder folder;
    write_file(folder.file("good.yaml"), to_yaml({}));
    write_file(folder.file("twice.yaml"), to_yaml({}));
    write_file(folder.file("mistaken.yaml"), "leak_aftre: 5s\n");
    write_file(folder.file("bad.yaml"),
               "name: bad\nmode: enforce\nmatch: {operations: [truncate], flie: {}}\naction: {deny: {}}\n");
    const std::string socket = folder.file("run/other.sock");

    struct Refusal {
        std::string what;
        std::string command;
        int status;
        std::vector<std::string> told;
    };
    const std::string elsewhere = " --metrics-address 127.0.0.1:9878";
    const std::string other = "pinwardend --socket " + socket;
    const std::vector<Refusal> refusals{
        {"port in use", other, 1, {"127.0.0.1:9877"}},
        {"socket already served",
         "pinwardend --socket " + running.socket() + elsewhere,
         1,
         {running.socket(), "already served"}},
        {"unknown flag", other + elsewhere + " --enforce", 2, {"--enforce"}},
        {"wrong size", other + elsewhere + " --ring-size 5000", 2, {"power of two"}},
        {"bad policy", other + elsewhere + " --policy " + folder.file("bad.yaml"), 1, {"bad.yaml:3:", "flie", "file"}},
        {"no such policy", other + elsewhere + " --policy " + folder.file("none.yaml"), 1, {"none.yaml"}},
        {"duplicate name",
         other + elsewhere + " --policy " + folder.file("good.yaml") + " --policy " + folder.file("twice.yaml"),
         1,
         {"test"}},
        {"no privileges",
         "setpriv --bounding-set -all --inh-caps -all " + other + elsewhere,
         1,
         {"CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON"}},
        {"no BTF",
         "unshare --mount bash -c 'mount -t tmpfs none /sys/kernel/btf; exec " + other + elsewhere + "'",
         1,
         {"/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"}},
        {"another user", "setpriv --reuid 1234 --regid 1234 --clear-groups " + other + elsewhere, 1, {"CAP_BPF"}},
        {"not all privileges",
         "setpriv --bounding-set -all,+bpf,+perfmon --inh-caps -all " + other + elsewhere,
         1,
         {"CAP_SYS_ADMIN"}},
        {"no bpf system call",
         std::string(PINWARDEN_SOURCE_DIR) + "/tests/vm/without_bpf.py " + other + elsewhere,
         1,
         {"bpf system call", "seccomp"}},
        {"no /proc", "unshare --mount bash -c 'umount -l /proc; exec " + other + elsewhere + "'", 1, {"/proc"}},
        {"mistake in the configuration",
         other + elsewhere + " --config " + folder.file("mistaken.yaml"),
         1,
         {"mistaken.yaml:1:1", "leak_aftre", "leak_after"}},
        {"no such configuration", other + elsewhere + " --config " + folder.file("none.yaml"), 1, {"none.yaml"}},
        {"no address", other + " --metrics-address nowhere", 2, {"--metrics-address", "port"}},
        {"no such group", other + elsewhere + " --operator-group nosuch", 2, {"--operator-group", "groupadd"}},
        {"a state folder that is none",
         other + elsewhere + " --state-dir " + folder.file("good.yaml"),
         2,
         {"good.yaml", "no folder"}},
        {"no such root", other + elsewhere + " --host-root /nonexistent", 2, {"--host-root", "folder"}},
        {"a socket beneath a file",
         "pinwardend --socket " + folder.file("good.yaml/x.sock") + elsewhere,
         1,
         {"good.yaml"}},
        {"an event log that is a folder",
         other + elsewhere + " --event-log " + folder.file(""),
         2,
         {"--event-log", "a file"}},
    };
    for (const Refusal& refusal : refusals) {
        INFO(refusal.what << ": " << refusal.command);
        const Outcome outcome = shell(refusal.command);
        INFO(outcome.err);
        CHECK(outcome.status == refusal.status);
        CHECK(count_of("\n" + outcome.err, "\npinwardend: ") == 1);
        for (const std::string& word : refusal.told) {
            CHECK(outcome.err.find(word) != std::string::npos);
        }
        CHECK_FALSE(std::filesystem::exists(socket));
    }
    eventually("no program and no link is left", [&] { return added_since(before).empty(); });
    CHECK(running.api().status().pid() == static_cast<unsigned>(running.pid()));
}

TEST_CASE("--probe tells whether this kernel will do, and attaches nothing")
{
    const Outcome probe = shell("pinwardend --probe");
    CHECK(probe.status == 0);
    CHECK(probe.err.empty());
    CHECK(probe.out.find("pin_user_pages_fast_exit") != std::string::npos);
    const Outcome refused = shell("setpriv --bounding-set -all --inh-caps -all pinwardend --probe");
    CHECK(refused.status == 1);
    CHECK(refused.err.find("CAP_BPF") != std::string::npos);
}
