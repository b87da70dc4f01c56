// A disk that fills up while callers are held: nothing can be recorded then, so nobody is signalled, and everybody who
// waits gets on all the same.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::size_t kCallers = 5;

class SmallDisk {
public:
    SmallDisk() : path_(Machine::instance().folder("tmpfs") + "/disk")
    {
        if (shell("mkdir " + path_ + " && mount -t tmpfs -o size=64k tmpfs " + path_).status != 0) {
            throw std::runtime_error("cannot mount a small disk");
        }
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() { shell("umount -l " + path_); }

    [[nodiscard]] std::string in(const std::string& name) const { return path_ + "/" + name; }
    // What is left of the last block of a file that is written to, such as `log`, is used up, too.
    void fill(const std::string& log) const
    {
        shell("cat /dev/zero > " + in("full") + " 2> /dev/null || true; tr '\\0' '\\n' < /dev/zero >> " + in(log) +
              " 2> /dev/null || true");
    }
    void make_room() const { REQUIRE(shell("rm " + in("full")).status == 0); }

private:
    std::string path_;
};

// All of them held.
std::vector<std::unique_ptr<Caller>> start_callers(Daemon& daemon, const std::string& path)
{
    std::vector<std::unique_ptr<Caller>> all;
    for (std::size_t i = 0; i < kCallers; ++i) {
        all.push_back(std::make_unique<Caller>(std::vector<std::string>{"truncate", path, "16384"}));
    }
    for (const auto& caller : all) {
        caller->expect_held();
    }
    eventually("all are known to be held", [&] { return daemon.api().holds().size() == kCallers; });
    return all;
}

double count(const std::string& name, const std::string& outcome)
{
    return Daemon::metrics().sum(name, {{"outcome", outcome}});
}

}  // namespace

TEST_CASE("a disk that fills up while callers are held keeps nobody stopped", "[full_disk]")
{
    Daemon::stop_shared();
    const SmallDisk disk;
    Daemon daemon({"--audit-log", disk.in("audit.log")});
    PinnedFile file("ext4");
    PinnedFile bystander("tmpfs");

    // Their time is up: long enough for all to be held before the disk is full.
    daemon.api().apply(to_yaml(
        {.name = "full-disk", .action = "hold: {timeout: 12s, revoke: {grace: 8s, then: [SIGTERM, 2s, SIGKILL]}}"}));
    {
        const auto callers = start_callers(daemon, file.path);
        disk.fill("audit.log");
        for (const auto& caller : callers) {
            CHECK(caller->result() == "EBUSY");
        }
    }
    CHECK(file.whole());
    CHECK(count("pinwarden_signals_total", "sent") == 0);
    CHECK(count("pinwarden_signals_total", "failed") >= 1);
    eventually("all holds have ended",
               [&] { return count("pinwarden_holds_ended_total", "timed_out_deny") == kCallers; });

    // Their pins go.
    disk.make_room();
    daemon.api().apply(to_yaml({.name = "full-disk", .action = "hold: {timeout: 10m}"}));
    {
        PinnedFile released("xfs");
        const auto callers = start_callers(daemon, released.path);
        disk.fill("audit.log");
        released.pinner.ok("release");
        for (const auto& caller : callers) {
            CHECK(caller->result() == "ok");
        }
    }

    // The daemon goes.
    const auto callers = start_callers(daemon, file.path);
    daemon.stop();
    for (const auto& caller : callers) {
        CHECK(caller->result() == "EBUSY");
    }
    CHECK(stopped_processes().empty());
    CHECK(file.whole());
    CHECK(bystander.whole());
}
