// Policies that are about some callers only, by everything a caller can be told by.
#include <catch2/catch.hpp>
#include <filesystem>
#include <optional>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

std::string where_is(const std::string& program)
{
    return shell("realpath $(type -P " + program + ") | tr -d '\\n'").out;
}

std::string cgroup_tree()
{
    return shell("findmnt -n -o TARGET -t cgroup2 | head -n 1 | tr -d '\\n'").out;
}

// A cgroup of its own, and a program that calls from within.
class Cgroup {
public:
    explicit Cgroup(std::string path) : path_(std::move(path))
    {
        REQUIRE(shell("mkdir -p " + cgroup_tree() + path_).status == 0);
    }
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup() { shell("rmdir " + cgroup_tree() + path_); }

    [[nodiscard]] Outcome truncate(const std::string& path) const
    {
        return shell("(echo $BASHPID > " + cgroup_tree() + path_ + "/cgroup.procs; exec truncate -s 16384 " + path +
                     ")");
    }

private:
    std::string path_;
};

v1::FileRange range_of(Daemon& daemon)
{
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 1);
    REQUIRE(pins[0].ranges_size() == 1);
    return pins[0].ranges(0);
}

}  // namespace

TEST_CASE("a policy for callers is about these callers", "[caller]")
{
    struct Row {
        std::string match;
        bool denies;
    };
    const std::string program = where_is("caller");
    const auto row = GENERATE_COPY(values<Row>({
        {"uids: [0]", true},
        {"uids: [65534]", false},
        {"comms: [caller]", true},
        {"comms: [pinner, truncate]", false},
        {"binaries: [" + program + "]", true},
        {"binaries: [/usr/bin/caller, /nowhere/caller]", false},
        {"cgroups: [/]", true},
        {"uids: [0], comms: [caller], binaries: [" + program + "], cgroups: [/]", true},
        {"uids: [0], comms: [truncate]", false},
    }));
    INFO(row.match);
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), {.match = "caller: {" + row.match + "}"});
    CHECK(call({"truncate", file.path, "16384"}) == (row.denies ? "EBUSY" : "ok"));
    CHECK(policy.status().denied() == (row.denies ? 1U : 0U));
}

TEST_CASE("a caller of another user is another caller", "[caller]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    REQUIRE(shell("chmod 0666 " + file.path).status == 0);
    const AppliedPolicy policy(daemon.api(), {.match = "caller: {uids: [65534]}"});
    CHECK(call({"user", "65534", "ftruncate", file.path, "16384"}) == "EBUSY");
    CHECK(file.whole());
    CHECK(call({"ftruncate", file.path, "16384"}) == "ok");
}

TEST_CASE("a program is meant by its path, also when another file takes its place, and by no other name", "[caller]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const std::string folder = Machine::instance().folder("ext4");
    const std::string program = folder + "/shrink";
    REQUIRE(shell("cp " + where_is("truncate") + " " + program).status == 0);
    const AppliedPolicy policy(daemon.api(), {.match = "caller: {binaries: [" + program + "]}"});
    const std::string run = program + " -s 16384 " + file.path;
    CHECK(shell(run).err.find("busy") != std::string::npos);
    REQUIRE(shell("cp " + program + " " + program + ".new && mv " + program + ".new " + program).status == 0);
    CHECK(shell(run).err.find("busy") != std::string::npos);
    CHECK(file.whole());
    REQUIRE(shell("cp " + program + " " + program + ".other").status == 0);
    CHECK(shell(program + ".other -s 16384 " + file.path).status == 0);

    REQUIRE(shell("ln -s " + program + " " + folder + "/link").status == 0);
    const std::string refused =
        daemon.api().refuse(to_yaml({.name = "link", .match = "caller: {binaries: [" + folder + "/link]}"}));
    CHECK(refused.find("is a symbolic link") != std::string::npos);
    CHECK(refused.find(program) != std::string::npos);
}

TEST_CASE("a cgroup, and what is below, is meant from the moment it is made", "[caller]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), {.match = "caller: {cgroups: [/pinwarden-jobs]}", .unresolved = "hold"});
    CHECK(policy.status().state() == "pending");
    CHECK(policy.status().reason() == "cgroup /pinwarden-jobs does not exist yet");
    for (int round = 0; round < 3; ++round) {
        const Cgroup cgroup("/pinwarden-jobs");
        CHECK(cgroup.truncate(file.path).err.find("busy") != std::string::npos);
        const Cgroup below("/pinwarden-jobs/below");
        CHECK(below.truncate(file.path).err.find("busy") != std::string::npos);
    }
    CHECK(file.whole());
    CHECK(policy.status().denied() == 6);
    const Cgroup other("/pinwarden-jobs-not");
    CHECK(other.truncate(file.path).status == 0);
    CHECK(policy.status().denied() == 6);
}

TEST_CASE("a container is meant by its id", "[caller]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const std::string id(64, 'c');
    const AppliedPolicy policy(daemon.api(), {.match = "caller: {containers: [" + id + "]}", .unresolved = "hold"});
    CHECK(policy.status().reason() == "container " + id + " does not run yet");
    const Cgroup parent("/pinwarden-runtime");
    const Cgroup container("/pinwarden-runtime/docker-" + id + ".scope");
    const Cgroup inner("/pinwarden-runtime/docker-" + id + ".scope/inner");
    CHECK(container.truncate(file.path).err.find("busy") != std::string::npos);
    CHECK(inner.truncate(file.path).err.find("busy") != std::string::npos);
    CHECK(file.whole());
    CHECK(parent.truncate(file.path).status == 0);
}

TEST_CASE("an inode is meant whatever it is called, and a mount without what is mounted below", "[caller]")
{
    Daemon& daemon = Daemon::shared();
    const OwnMount mount("ext4");
    const std::string path = mount.in("pinned");
    make_file(path, 65536);
    Pinner pinner;
    pinner.ok("file " + path + " 65536");
    pinner.ok("pin " + Machine::instance().rdma(Machine::instance().file_access()));
    const v1::File file = range_of(daemon).file();
    const std::string device = std::to_string(file.device_major()) + ":" + std::to_string(file.device_minor()) + "/";
    REQUIRE(shell("ln " + path + " " + path + ".link").status == 0);
    SECTION("the inode")
    {
        const AppliedPolicy policy(daemon.api(),
                                   {.match = "file: {inodes: [\"" + device + std::to_string(file.inode()) + "\"]}"});
        CHECK(try_truncate(path, 0) == EBUSY);
        CHECK(try_truncate(path + ".link", 0) == EBUSY);
    }
    SECTION("another")
    {
        const AppliedPolicy policy(
            daemon.api(), {.match = "file: {inodes: [\"" + device + std::to_string(file.inode() + 1) + "\"]}"});
        CHECK(try_truncate(path, 0) == 0);
    }
    SECTION("its mount")
    {
        const AppliedPolicy policy(daemon.api(), {.match = "file: {mounts: [" + mount.path() + "]}"});
        CHECK(try_truncate(path, 0) == EBUSY);
    }
    SECTION("the mount above, and a place where nothing is mounted")
    {
        const std::string above = std::filesystem::path(mount.path()).parent_path();
        const AppliedPolicy policy(daemon.api(), {.match = "file: {mounts: [/, " + above + "]}"});
        CHECK(policy.status().reason() == "nothing is mounted at " + above + " yet");
        CHECK(try_truncate(path, 0) == 0);
    }
    pinner.end();
    pinner.wait();
}
