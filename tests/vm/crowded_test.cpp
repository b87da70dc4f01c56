// More files are pinned than the kernel side has room for.
#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr int kRoom = 1024;
constexpr int kHalf = kRoom / 2;
constexpr std::uint64_t kSize = 8192;
constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr std::chrono::seconds kMany{120};

// Holds the first page of so many files.
void pin_files(Pinner& pinner, const std::string& prefix, int count)
{
    // Not more in one call than its mappings are looked up for.
    constexpr int kAtOnce = 64;
    pinner.ok("files " + prefix + " " + std::to_string(count));
    for (int i = 0; i < count; i += kAtOnce) {
        pinner.ok("pin " + Machine::instance().rdma("rw") + " " + std::to_string(i * 4096) + " " +
                  std::to_string(std::min(kAtOnce, count - i) * 4096));
    }
}

double in_table()
{
    return Daemon::metrics().sum("pinwarden_table_entries", {{"table", "files"}});
}

}  // namespace

TEST_CASE("files beyond the kernel side's table are protected by their pages, and known again when there is room")
{
    Daemon::stop_shared();
    Daemon daemon({"--max-files", std::to_string(kRoom)});
    const AppliedPolicy policy(
        daemon.api(), {.operations = "truncate, umount", .match = "pin: {drivers: [rdma_rxe]}", .error = "EPERM"});
    const AppliedPolicy another(
        daemon.api(),
        {.name = "another", .operations = "punch_hole", .match = "pin: {drivers: [vfio]}", .error = "EPERM"});
    CHECK(Daemon::metrics().sum("pinwarden_table_max_entries", {{"table", "files"}}) == kRoom);
    const OwnMount mount("tmpfs");
    const OwnMount other("tmpfs");
    Pinner idle;
    pin_files(idle, other.in("idle"), kHalf);
    Pinner stays;
    pin_files(stays, other.in("stays"), kHalf);
    Pinner late;
    pin_files(late, mount.in("late"), 2);
    const std::string first = mount.in("late0");
    const std::string second = mount.in("late1");
    eventually("the table is full",
               [&] { return daemon.messages().find("max_files (1024) is reached") != std::string::npos; });
    CHECK(in_table() == kRoom);
    CHECK(Daemon::metrics().sum("pinwarden_events_lost_total", {{"cause", "file_table_full"}}) == 2);

    // Neither is in the table, so that it is not known there whether all their pins have been seen.
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT});
    CHECK(try_truncate(first, 0) == EPERM);
    auto denied = watch.wait_for("its denial", [](const auto&) { return true; }).conflict();
    CHECK(denied.file().path() == first);
    REQUIRE(denied.pins_size() == 1);
    CHECK(denied.pins(0).owner().pid() == static_cast<std::uint32_t>(late.pid()));
    CHECK(try_fallocate(second, kPunch, 0, 4096) == EPERM);
    denied =
        watch.wait_for("the other's", [](const auto& event) { return event.conflict().operation() == "punch_hole"; })
            .conflict();
    CHECK(denied.unresolved());
    CHECK(try_truncate(second, 4096) == 0);  // a page that nobody has pinned
    CHECK(mount.unmount(MNT_DETACH) == EPERM);
    make_file(mount.in("bystander"), kSize);
    CHECK(try_truncate(mount.in("bystander"), 0) == 0);
    // Nothing is lost of what is known about them.
    CHECK(daemon.pinctl("audit").status == 0);
    CHECK(daemon.pinctl("status").out.find("Ledger    certain") != std::string::npos);

    // Half of the table is of no use any more, though the files are still there.
    idle.ok("release all");
    eventually(
        "there is room again",
        [&] { return daemon.messages().find("there is room below max_files (1024) again") != std::string::npos; },
        kMany);
    CHECK(in_table() == kHalf + 2);
    CHECK(try_truncate(first, 0) == EPERM);
    CHECK(try_fallocate(second, kPunch, 0, 4096) == 0);
    CHECK(mount.unmount(MNT_DETACH) == EPERM);
    CHECK(try_truncate(other.in("idle0"), 0) == 0);
    CHECK(try_truncate(other.in("stays0"), 0) == EPERM);
    // One that was taken out is as any other when it is pinned anew.
    Pinner again;
    again.ok("file " + other.in("idle1") + " " + std::to_string(kSize));
    again.ok("pin " + Machine::instance().rdma("rw") + " 0 4096");
    CHECK(try_truncate(other.in("idle1"), 0) == EPERM);

    late.ok("release all");
    CHECK(try_truncate(first, 0) == 0);
    late.end();
    CHECK(mount.unmount(MNT_DETACH) == 0);
    again.end();
    idle.end();
    stays.end();
    daemon.expect_nothing_pinned();
}
