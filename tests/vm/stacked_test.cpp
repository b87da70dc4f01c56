// Callers that come another way: through a file system that is stacked upon the pinned file's, over NFS, or with
// privileges they were given. They are held where that is possible, and get the fallback where it is not; the kernel's
// own restart code reaches nobody.
#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <filesystem>

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

PolicyText holding(const std::string& hold)
{
    return {.action = "hold: {" + hold + "}"};
}

// Pins pages 4 to 7 of a file that is made.
struct Owner {
    Owner(const std::string& path, const std::string& access)
    {
        pinner.ok("file " + path + " " + std::to_string(kSize));
        pinner.ok("fill mapping 41");
        pinner.ok("pin " + Machine::instance().rdma(access) + " 16384 16384");
    }

    // Whether `path` still has everything.
    [[nodiscard]] static bool whole(const std::string& path)
    {
        return content_of(path) == std::string(static_cast<std::size_t>(kSize), 'A');
    }

    Pinner pinner;
};

std::string access_on(const std::string& filesystem)
{
    return filesystem == "tmpfs" ? "rw" : Machine::instance().file_access();
}

class Overlay {
public:
    explicit Overlay(const std::string& filesystem) : base_(Machine::instance().folder(filesystem))
    {
        for (const std::string name : {"lower", "upper", "work", "merged"}) {
            std::filesystem::create_directory(base_ + "/" + name);
        }
        const std::string options =
            "lowerdir=" + base_ + "/lower,upperdir=" + base_ + "/upper,workdir=" + base_ + "/work";
        const Outcome mounted = run({"mount", "-t", "overlay", "-o", options, "overlay", in("merged")});
        if (mounted.status != 0) {
            throw std::runtime_error("mount an overlay: " + mounted.err);
        }
    }
    Overlay(const Overlay&) = delete;
    Overlay& operator=(const Overlay&) = delete;
    ~Overlay() { umount2(in("merged").c_str(), MNT_DETACH); }

    [[nodiscard]] std::string in(const std::string& layer, const std::string& name = "") const
    {
        return base_ + "/" + layer + (name.empty() ? "" : "/" + name);
    }

private:
    std::string base_;
};

// An ext4, as the kernel's NFS server shows it.
class NfsMount {
public:
    NfsMount() : exported_("ext4"), path_(Machine::instance().folder("tmpfs"))
    {
        const Outcome made = shell(PINWARDEN_SOURCE_DIR "/tests/vm/make-nfs.sh " + exported_.path() + " " + path_);
        if (made.status != 0) {
            throw std::runtime_error("make-nfs.sh: " + made.err);
        }
    }
    NfsMount(const NfsMount&) = delete;
    NfsMount& operator=(const NfsMount&) = delete;
    ~NfsMount()
    {
        umount2(path_.c_str(), MNT_DETACH);
        shell(
            "echo 0 > /proc/fs/nfsd/threads; for cache in nfsd.fh nfsd.export auth.unix.ip; do"
            " date +%s > /proc/net/rpc/$cache/flush; done");
    }

    [[nodiscard]] std::string on_server(const std::string& name) const { return exported_.in(name); }
    [[nodiscard]] std::string on_client(const std::string& name) const { return path_ + "/" + name; }

private:
    OwnMount exported_;
    std::string path_;
};

}  // namespace

TEST_CASE("through an overlay a caller is denied, or held and released, as it is beneath", "[stacked]")
{
    const std::string filesystem = GENERATE("ext4", "tmpfs");
    const auto [pinned_in, called_in, held] = GENERATE(table<std::string, std::string, std::string>(
        {{"merged", "merged", "open"}, {"upper", "merged", "truncate"}, {"merged", "upper", "truncate"}}));
    INFO(filesystem << ": pinned in " << pinned_in << ", called in " << called_in);
    Daemon& daemon = Daemon::shared();
    const Overlay overlay(filesystem);
    Owner owner(overlay.in(pinned_in, "pinned"), access_on(filesystem));
    const std::string path = overlay.in(called_in, "pinned");
    for (const Way& way : ways_on(filesystem)) {
        INFO(way.operation);
        const AppliedPolicy policy(daemon.api(), {.operations = way.policy});
        // Overlays refuse some operations themselves.
        const std::string result = call(words(way, path));
        CHECK((result == "EBUSY" || (result == "EOPNOTSUPP" && called_in == "merged")));
        CHECK(policy.status().denied() == (result == "EBUSY" ? 1 : 0));
        CHECK(Owner::whole(overlay.in("upper", "pinned")));
    }
    const AppliedPolicy policy(daemon.api(), holding("timeout: 5m"));
    Caller caller(held == "open" ? std::vector{held, path} : std::vector<std::string>{held, path, "16384"});
    caller.expect_held();
    CHECK(Owner::whole(overlay.in("upper", "pinned")));
    owner.pinner.ok("release");
    CHECK(caller.result() == "ok");
    CHECK(size_of(overlay.in("upper", "pinned")) == (held == "open" ? 0 : 16384));
    CHECK(policy.status().held() == 1);
    CHECK(policy.status().denied() == 0);
}

TEST_CASE("a policy for the folder of a layer is about what happens through the overlay, too", "[stacked]")
{
    const bool covered = GENERATE(true, false);
    INFO(covered);
    Daemon& daemon = Daemon::shared();
    const Overlay overlay("ext4");
    Owner owner(overlay.in("merged", "pinned"), access_on("ext4"));
    const AppliedPolicy policy(daemon.api(),
                               {.operations = "truncate, punch_hole",
                                .match = "file: {path_prefixes: [" + overlay.in(covered ? "upper" : "lower") + "]}"});
    const std::string result = covered ? "EBUSY" : "ok";
    CHECK(call({"punch_hole", overlay.in("merged", "pinned"), "20480", "4096"}) == result);
    CHECK(call({"truncate", overlay.in("merged", "pinned"), "16384"}) == result);
    CHECK(Owner::whole(overlay.in("upper", "pinned")) == covered);
}

TEST_CASE("what an overlay copies before it changes it is another file: the pinned one stays whole", "[stacked]")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const Overlay overlay("ext4");
    Owner owner(overlay.in("lower", "pinned"), access_on("ext4"));
    CHECK(call({"truncate", overlay.in("merged", "pinned"), "16384"}) == "ok");
    CHECK(size_of(overlay.in("upper", "pinned")) == 16384);
    CHECK(Owner::whole(overlay.in("lower", "pinned")));
    CHECK(policy.status().matched() == 0);
    CHECK(call({"truncate", overlay.in("lower", "pinned"), "16384"}) == "EBUSY");
}

TEST_CASE("the kernel's NFS server is not held: its clients get the fallback, or try again", "[stacked]")
{
    Daemon& daemon = Daemon::shared();
    const NfsMount nfs;
    Owner owner(nfs.on_server("pinned"), access_on("ext4"));
    const std::vector<std::string> truncate{"truncate", nfs.on_client("pinned"), "16384"};
    const std::vector<std::string> punch{"punch_hole", nfs.on_client("pinned"), "20480", "4096"};
    {
        const AppliedPolicy policy(
            daemon.api(), {.operations = "truncate, punch_hole", .action = "hold: {timeout: 5m, errno: EPERM}"});
        CHECK(call(truncate) == "EPERM");
        CHECK(call(punch) == "EPERM");
        CHECK(policy.status().held() == 0);
        CHECK(policy.status().denied() == 2);
        CHECK(Owner::whole(nfs.on_server("pinned")));
    }
    {
        // NFS has no word for it.
        const AppliedPolicy policy(daemon.api(), holding("timeout: 5m, errno: EBUSY"));
        CHECK(call(truncate) == "EIO");
        CHECK(Owner::whole(nfs.on_server("pinned")));
    }
    {
        const AppliedPolicy policy(daemon.api(), holding("timeout: 5m, errno: EAGAIN"));
        Caller caller(truncate);
        eventually("the server was told to try again", [&] { return policy.status().denied() >= 2; });
        CHECK(caller.waiting());
        CHECK(Owner::whole(nfs.on_server("pinned")));
        owner.pinner.ok("release");
        CHECK(caller.result() == "ok");
        CHECK(size_of(nfs.on_server("pinned")) == 16384);
        CHECK(policy.status().held() == 0);
    }
    const Owner other(nfs.on_server("other"), access_on("ext4"));
    const AppliedPolicy policy(daemon.api(), holding("timeout: 5m, fallback: allow"));
    CHECK(call({"truncate", nfs.on_client("other"), "16384"}) == "ok");
    CHECK(size_of(nfs.on_server("other")) == 16384);
    CHECK(policy.status().held() == 0);
    CHECK(policy.status().denied() == 0);
}

TEST_CASE("a setuid program is held and released, also once it has dropped what it was given", "[stacked]")
{
    const bool drops = GENERATE(false, true);
    INFO(drops);
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    PinnedFile beside("tmpfs");
    const std::string program = Machine::instance().folder("tmpfs") + "/setuid-caller";
    REQUIRE(shell("cp \"$(type -P caller)\" " + program + " && chmod 4755 " + program + " && chmod 600 " + file.path)
                .status == 0);
    const std::vector<std::string> started{"setpriv", "--reuid",        "65534", "--regid",
                                           "65534",   "--clear-groups", program};
    const AppliedPolicy policy(daemon.api(), holding("timeout: 5m"));
    std::vector<std::string> operation{"ftruncate", file.path, "16384"};
    if (drops) {
        operation.insert(operation.begin(), {"user", "65534"});
    }
    Caller caller(operation, started);
    caller.expect_held();
    CHECK(file.whole());
    REQUIRE(daemon.api().status().holds() == 1);
    file.pinner.ok("release");
    CHECK(caller.result() == "ok");
    CHECK(size_of(file.path) == 16384);
    CHECK(policy.status().held() == 1);
    CHECK(beside.whole());
    CHECK(stopped_processes().empty());
}
