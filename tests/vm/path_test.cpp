// Path prefixes: what they cover, and that another name is no way around.
#include <catch2/catch.hpp>
#include <filesystem>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 65536;

struct Folders {
    explicit Folders(const std::string& filesystem) : root(Machine::instance().folder(filesystem))
    {
        for (const std::string name : {"inside", "inside/deep", "outside", "insider"}) {
            std::filesystem::create_directory(root + "/" + name);
        }
    }
    [[nodiscard]] std::string in(const std::string& path) const { return root + "/" + path; }
    [[nodiscard]] std::string prefix() const { return "file: {path_prefixes: [" + root + "/inside]}"; }

    std::string root;
};

// One device for all files of a test.
class Pins {
public:
    explicit Pins(const std::string& filesystem)
        : device_(Machine::instance().rdma(filesystem == "tmpfs" ? "rw" : Machine::instance().file_access()))
    {
    }
    void pin(const std::string& path)
    {
        pinners_.emplace_back(std::make_unique<Pinner>());
        pinners_.back()->ok("file " + path + " " + std::to_string(kSize));
        pinners_.back()->ok("pin " + device_);
    }
    ~Pins()
    {
        for (auto& pinner : pinners_) {
            pinner->end();
        }
    }
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;

private:
    std::string device_;
    std::vector<std::unique_ptr<Pinner>> pinners_;
};

}  // namespace

TEST_CASE("a path prefix covers what lies below it, by whole names")
{
    const std::string filesystem = GENERATE("ext4", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const Folders folders(filesystem);
    const AppliedPolicy policy(daemon.api(), {.match = folders.prefix()});
    {
        Pins pins(filesystem);
        for (const std::string name : {"inside/file", "inside/deep/file", "outside/file", "insider/file"}) {
            pins.pin(folders.in(name));
        }
        CHECK(try_truncate(folders.in("inside/file"), 0) == EBUSY);
        CHECK(try_truncate(folders.in("inside/deep/file"), 0) == EBUSY);
        CHECK(try_truncate(folders.in("outside/file"), 0) == 0);
        CHECK(try_truncate(folders.in("insider/file"), 0) == 0);
    }
    CHECK(try_truncate(folders.in("inside/file"), 0) == 0);
    daemon.expect_nothing_pinned();
}

TEST_CASE("a hard link is no way around")
{
    Daemon& daemon = Daemon::shared();
    const Folders folders("ext4");
    const AppliedPolicy policy(daemon.api(), {.match = folders.prefix()});
    make_file(folders.in("inside/file"), kSize);
    make_file(folders.in("outside/file"), kSize);
    std::filesystem::create_hard_link(folders.in("inside/file"), folders.in("outside/link"));
    std::filesystem::create_hard_link(folders.in("outside/file"), folders.in("inside/link"));
    {
        Pins pins("ext4");
        pins.pin(folders.in("inside/file"));
        pins.pin(folders.in("outside/file"));
        // Pinned through a covered path, truncated through another.
        CHECK(try_truncate(folders.in("outside/link"), 0) == EBUSY);
        // Pinned through a path that is not covered, truncated through one that is.
        CHECK(try_truncate(folders.in("inside/link"), 0) == EBUSY);
        CHECK(size_of(folders.in("outside/link")) == kSize);
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("a bind mount is no way around, and a mount below a prefix belongs to it")
{
    Daemon& daemon = Daemon::shared();
    const Folders folders("ext4");
    for (const std::string name : {"bound", "inside/mount"}) {
        std::filesystem::create_directory(folders.in(name));
    }
    REQUIRE(shell("mount --bind " + folders.in("inside") + " " + folders.in("bound")).status == 0);
    {
        const AppliedPolicy policy(daemon.api(), {.match = folders.prefix()});
        // A file system that appears after the policy.
        REQUIRE(shell("mount -t tmpfs tmpfs " + folders.in("inside/mount")).status == 0);
        {
            Pins pins("ext4");
            pins.pin(folders.in("inside/file"));
            pins.pin(folders.in("bound/other"));
            CHECK(try_truncate(folders.in("bound/file"), 0) == EBUSY);
            CHECK(try_truncate(folders.in("inside/other"), 0) == EBUSY);
            CHECK(try_truncate(folders.in("bound/other"), 0) == EBUSY);
        }
        {
            Pins pins("tmpfs");
            pins.pin(folders.in("inside/mount/file"));
            eventually("the new mount is covered",
                       [&] { return try_truncate(folders.in("inside/mount/file"), kSize - 1) == EBUSY; });
        }
        daemon.expect_nothing_pinned();
    }
    REQUIRE(shell("umount " + folders.in("bound") + " " + folders.in("inside/mount")).status == 0);
}

TEST_CASE("a prefix that does not exist yet is pending, and works when it appears")
{
    Daemon& daemon = Daemon::shared();
    const Folders folders("tmpfs");
    const AppliedPolicy policy(daemon.api(), {.match = "file: {path_prefixes: [" + folders.in("later") + "]}"});
    CHECK(policy.status().state() == "pending");
    CHECK_FALSE(policy.status().reason().empty());

    std::filesystem::create_directory(folders.in("later"));
    eventually("the policy is active", [&] { return policy.status().state() == "active"; });
    {
        Pins pins("tmpfs");
        pins.pin(folders.in("later/file"));
        CHECK(try_truncate(folders.in("later/file"), 0) == EBUSY);
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("a policy for a file system covers its files only")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.match = "file: {filesystems: [xfs, ext4]}"});
    for (const std::string filesystem : {"xfs", "ext4", "tmpfs"}) {
        INFO(filesystem);
        const Folders folders(filesystem);
        Pins pins(filesystem);
        pins.pin(folders.in("file"));
        CHECK(try_truncate(folders.in("file"), 0) == (filesystem == "tmpfs" ? 0 : EBUSY));
    }
    daemon.expect_nothing_pinned();
}
