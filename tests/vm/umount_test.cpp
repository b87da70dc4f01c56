// A file system that is unmounted while files of it are pinned.
#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t kSize = 65536;

std::string access(const std::string& filesystem)
{
    return filesystem == "tmpfs" ? "rw" : Machine::instance().file_access();
}

// With a file of it pinned.
struct PinnedMount {
    explicit PinnedMount(const std::string& filesystem, const std::string& folder = "") : mount(filesystem)
    {
        if (!folder.empty()) {
            std::filesystem::create_directory(mount.in(folder));
        }
        path = mount.in(folder.empty() ? "pinned" : folder + "/pinned");
        pinner.ok("file " + path + " " + std::to_string(kSize));
        pinner.ok("fill mapping 41");
        pinner.ok("pin " + Machine::instance().rdma(access(filesystem)) + " 16384 16384");
    }

    // Ends the process that pins.
    void end(Daemon& daemon)
    {
        pinner.end();
        daemon.expect_nothing_pinned();
    }

    OwnMount mount;
    std::string path;
    Pinner pinner;
};

double conflicts(const std::string& verdict)
{
    return Daemon::metrics().sum("pinwarden_conflicts_total", {{"operation", "umount"}, {"verdict", verdict}});
}

}  // namespace

TEST_CASE("unmounting a file system with pinned files is seen without any policy")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    PinnedMount pinned(filesystem);
    const OwnMount other("tmpfs");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT});
    const double before = conflicts("allow");
    CHECK(other.unmount(0) == 0);
    CHECK(conflicts("allow") == before);
    CHECK(pinned.mount.unmount(MNT_DETACH) == 0);
    const auto seen = watch.wait_for("umount", [](const auto&) { return true; }).conflict();
    CHECK(conflicts("allow") == before + 1);
    CHECK(seen.operation() == "umount");
    CHECK(seen.verdict() == "allow");
    CHECK(seen.file().filesystem() == filesystem);
    REQUIRE(seen.pins_size() == 1);
    CHECK(seen.pins(0).owner().pid() == static_cast<std::uint32_t>(pinned.pinner.pid()));
    REQUIRE(seen.pins(0).ranges_size() == 1);
    CHECK(seen.pins(0).ranges(0).file().path() == pinned.path);
    pinned.end(daemon);
}

TEST_CASE("an enforcing policy keeps it mounted, lazily and by force as well, until the last pin is gone")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    PinnedMount pinned(filesystem);
    const AppliedPolicy policy(daemon.api(), {.operations = "umount", .error = "EPERM"});
    for (const int flags : std::initializer_list<int>{0, MNT_DETACH, MNT_FORCE}) {
        INFO(flags);
        CHECK(pinned.mount.unmount(flags) == EPERM);
        CHECK(pinned.mount.mounted());
    }
    CHECK(policy.status().denied() == 3);
    // Pages the file has lost are no reason any more; that it is mapped is one for the kernel.
    CHECK(try_truncate(pinned.path, 0) == 0);
    CHECK(pinned.mount.unmount(0) == EBUSY);
    pinned.end(daemon);
    CHECK(pinned.mount.unmount(0) == 0);
}

TEST_CASE("a policy for a path is about the mounts with files pinned below it")
{
    Daemon& daemon = Daemon::shared();
    const bool covered = GENERATE(true, false);
    PinnedMount pinned("ext4", covered ? "covered" : "beside");
    std::filesystem::create_directory(pinned.mount.in("covered"));
    const AppliedPolicy policy(daemon.api(), {.operations = "umount",
                                              .match = "file: {path_prefixes: [" + pinned.mount.in("covered") + "]}",
                                              .error = "EPERM"});
    CHECK(pinned.mount.unmount(MNT_DETACH) == (covered ? EPERM : 0));
    pinned.end(daemon);
}

TEST_CASE("a policy that selects pins denies the umount for those only")
{
    Daemon& daemon = Daemon::shared();
    PinnedMount pinned("tmpfs");
    const auto [driver, error] = GENERATE(table<std::string, int>({{"rdma_rxe", EPERM}, {"vfio", 0}}));
    const AppliedPolicy policy(daemon.api(),
                               {.operations = "umount", .match = "pin: {drivers: [" + driver + "]}", .error = "EPERM"});
    CHECK(pinned.mount.unmount(MNT_DETACH) == error);
    CHECK(policy.status().denied() == (error == 0 ? 0 : 1));
    pinned.end(daemon);
}

TEST_CASE("a monitoring policy counts the umount it would have denied")
{
    Daemon& daemon = Daemon::shared();
    PinnedMount pinned("tmpfs");
    const AppliedPolicy policy(daemon.api(), {.mode = "monitor", .operations = "umount"});
    CHECK(pinned.mount.unmount(MNT_DETACH) == 0);
    CHECK(policy.status().would_have_denied() == 1);
    pinned.end(daemon);
}
