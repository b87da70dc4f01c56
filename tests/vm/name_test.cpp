// What a pinned file is called, after it, or a directory above it, was renamed or unlinked.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 16384;

// A file, pinned through `path` as long as the object lives.
class PinnedFile {
public:
    PinnedFile(Daemon& daemon, const std::string& path) : daemon_(daemon)
    {
        pinner_.ok("file " + path + " " + std::to_string(kSize) + (access() == "ro" ? " ro" : ""));
        struct stat status{};
        REQUIRE(stat(path.c_str(), &status) == 0);
        inode_ = status.st_ino;
        pinner_.ok("pin " + Machine::instance().rdma(access()));
    }
    PinnedFile(const PinnedFile&) = delete;
    PinnedFile& operator=(const PinnedFile&) = delete;
    ~PinnedFile() { pinner_.end(); }

    // As pinctl shows it: "/a/x" or "/a/x (deleted)".
    [[nodiscard]] std::string shown() const
    {
        for (const v1::Pin& pin : daemon_.api().pins()) {
            if (pin.owner().pid() == static_cast<unsigned>(pinner_.pid()) && pin.ranges_size() == 1) {
                const v1::File& file = pin.ranges(0).file();
                CHECK(file.inode() == inode_);
                return file.path() + (file.deleted() ? " (deleted)" : "");
            }
        }
        return "no such pin";
    }

private:
    static std::string access() { return Machine::instance().file_access(); }

    Daemon& daemon_;
    Pinner pinner_;
    ino_t inode_ = 0;
};

struct Folder {
    explicit Folder(const std::string& filesystem) : root(Machine::instance().folder(filesystem)) {}
    [[nodiscard]] std::string in(const std::string& path) const { return root + "/" + path; }
    void make(const std::string& directory) const { std::filesystem::create_directories(in(directory)); }
    void rename(const std::string& from, const std::string& to) const { std::filesystem::rename(in(from), in(to)); }

    std::string root;
};

}  // namespace

TEST_CASE("a pinned file is shown by its name of now: renamed, moved, taken along by its directory")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const Folder folder(filesystem);
    folder.make("a/b");
    folder.make("other");
    {
        const PinnedFile file(daemon, folder.in("a/b/x"));
        const PinnedFile bystander(daemon, folder.in("other/x"));
        CHECK(file.shown() == folder.in("a/b/x"));
        folder.rename("a/b/x", "a/b/y");
        CHECK(file.shown() == folder.in("a/b/y"));
        folder.rename("a/b/y", "other/z");
        CHECK(file.shown() == folder.in("other/z"));
        folder.rename("other/z", "a/b/x");
        folder.rename("a", "c");
        CHECK(file.shown() == folder.in("c/b/x"));
        folder.rename("c/b", "other/b");
        CHECK(file.shown() == folder.in("other/b/x"));
        folder.rename("other/b/x", "other/b/y");
        CHECK(file.shown() == folder.in("other/b/y"));
        CHECK(bystander.shown() == folder.in("other/x"));
        const std::string table = daemon.pinctl("pins").out;
        CHECK(table.find(folder.in("other/b/y")) != std::string::npos);
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("a pinned file that is unlinked, or that another is renamed over, is marked deleted")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const Folder folder(filesystem);
    {
        const PinnedFile unlinked(daemon, folder.in("unlinked"));
        const PinnedFile replaced(daemon, folder.in("replaced"));
        const PinnedFile replacing(daemon, folder.in("replacing"));
        REQUIRE(unlink(folder.in("unlinked").c_str()) == 0);
        CHECK(unlinked.shown() == folder.in("unlinked") + " (deleted)");
        folder.rename("replacing", "replaced");
        CHECK(replaced.shown() == folder.in("replaced") + " (deleted)");
        CHECK(replacing.shown() == folder.in("replaced"));
        // Another file of that name is another file.
        make_file(folder.in("unlinked"), kSize);
        folder.rename("unlinked", "third");
        CHECK(unlinked.shown() == folder.in("unlinked") + " (deleted)");
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("names that are exchanged are exchanged, files and directories")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const Folder folder(filesystem);
    folder.make("a");
    folder.make("b/c");
    const auto exchange = [&](const std::string& one, const std::string& other) {
        REQUIRE(renameat2(AT_FDCWD, folder.in(one).c_str(), AT_FDCWD, folder.in(other).c_str(), RENAME_EXCHANGE) == 0);
    };
    {
        const PinnedFile one(daemon, folder.in("a/x"));
        const PinnedFile other(daemon, folder.in("b/c/y"));
        exchange("a/x", "b/c/y");
        CHECK(one.shown() == folder.in("b/c/y"));
        CHECK(other.shown() == folder.in("a/x"));
        exchange("a", "b/c");
        CHECK(one.shown() == folder.in("a/y"));
        CHECK(other.shown() == folder.in("b/c/x"));
        // A file with a directory.
        exchange("a/y", "b");
        CHECK(one.shown() == folder.in("b"));
        CHECK(other.shown() == folder.in("a/y/c/x"));
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("a file that loses one of its names is shown by another")
{
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    const Folder folder(filesystem);
    folder.make("links");
    {
        const PinnedFile file(daemon, folder.in("first"));
        std::filesystem::create_hard_link(folder.in("first"), folder.in("links/second"));
        std::filesystem::create_hard_link(folder.in("first"), folder.in("third"));
        folder.rename("third", "links/third");
        REQUIRE(unlink(folder.in("links/third").c_str()) == 0);
        CHECK(file.shown() == folder.in("first"));
        REQUIRE(unlink(folder.in("first").c_str()) == 0);
        CHECK(file.shown() == folder.in("links/second"));
        folder.rename("links", "names");
        CHECK(file.shown() == folder.in("names/second"));
        make_file(folder.in("usurper"), kSize);
        folder.rename("usurper", "names/second");
        CHECK(file.shown() == folder.in("names/second") + " (deleted)");
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("names are followed through bind mounts, and below directories that carry a mount")
{
    Daemon& daemon = Daemon::shared();
    const Folder outer("ext4");
    outer.make("source/deep/er");
    outer.make("bound");
    outer.make("carrier/mount");
    REQUIRE(shell("mount --bind " + outer.in("source/deep") + " " + outer.in("bound")).status == 0);
    REQUIRE(shell("mount -t tmpfs tmpfs " + outer.in("carrier/mount")).status == 0);
    make_file(outer.in("carrier/mount/z"), kSize);
    {
        const PinnedFile through(daemon, outer.in("bound/er/x"));
        const PinnedFile mounted(daemon, outer.in("carrier/mount/z"));
        CHECK(through.shown() == outer.in("bound/er/x"));
        CHECK(mounted.shown() == outer.in("carrier/mount/z"));
        outer.rename("source/deep/er/x", "source/deep/er/y");
        CHECK(through.shown() == outer.in("bound/er/y"));
        outer.rename("source", "moved");
        CHECK(through.shown() == outer.in("bound/er/y"));
        outer.rename("moved/deep/er", "moved/deep/est");
        CHECK(through.shown() == outer.in("bound/est/y"));
        outer.rename("carrier", "wagon");
        CHECK(mounted.shown() == outer.in("wagon/mount/z"));
        outer.rename("wagon/mount/z", "wagon/mount/a");
        CHECK(mounted.shown() == outer.in("wagon/mount/a"));
        // Out of what is bound there: no path leads to it through that mount.
        outer.rename("moved/deep/est/y", "moved/y");
        const std::string number = std::filesystem::path(outer.root).filename().string();
        CHECK(through.shown() == ".../" + number + "/moved/y");
    }
    REQUIRE(shell("umount " + outer.in("bound") + " " + outer.in("wagon/mount")).status == 0);
    daemon.expect_nothing_pinned();
}

TEST_CASE("a policy still covers what was pinned below its prefix and then moved away")
{
    Daemon& daemon = Daemon::shared();
    const Folder folder("ext4");
    folder.make("inside");
    folder.make("outside");
    const std::string match = "file: {path_prefixes: [" + folder.in("inside") + "]}";
    const AppliedPolicy policy(daemon.api(), {.match = match});
    {
        const PinnedFile file(daemon, folder.in("inside/file"));
        CHECK(try_truncate(folder.in("inside/file"), 0) == EBUSY);
        folder.rename("inside/file", "outside/file");
        CHECK(file.shown() == folder.in("outside/file"));
        CHECK(try_truncate(folder.in("outside/file"), 0) == EBUSY);
        // Also by a table that was made afterwards, and after the daemon has told the kernel about the file again.
        const AppliedPolicy other(daemon.api(), {.name = "other", .mode = "monitor"});
        CHECK(try_truncate(folder.in("outside/file"), 0) == EBUSY);
        CHECK(size_of(folder.in("outside/file")) == kSize);
        EventWatch watch(daemon.api(), {v1::EVENT_KIND_VERDICT});
        CHECK(try_truncate(folder.in("outside/file"), 0) == EBUSY);
        const auto event = watch.wait_for("the verdict", [](const auto&) { return true; });
        CHECK(event.conflict().file().path() == folder.in("outside/file"));
    }
    CHECK(try_truncate(folder.in("outside/file"), 0) == 0);
    daemon.expect_nothing_pinned();
}
