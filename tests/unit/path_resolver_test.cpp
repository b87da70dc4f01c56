#include "policy/path_resolver.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "policy/file_finder.h"
#include "support/publish_fixtures.h"

namespace pinwarden {
namespace {

std::uint64_t inode_of(const std::string& path)
{
    struct stat status = {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_ino;
}

bool has_inode(const ResolvedPath& resolved, std::uint64_t inode)
{
    return std::ranges::any_of(resolved.directories, [&](const DirectoryId& id) { return id.inode == inode; });
}

}  // namespace

TEST_CASE("mountinfo is parsed", "[path_resolver]")
{
    const auto mounts = parse_mountinfo(
        "25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
        "30 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
        "36 30 8:1048575 /sub /mnt/a\\040b\\134c rw - ext4 /dev/sda1 rw future fields\n"
        "short line\n"
        "x 30 8:1 / /bad rw - ext4 x rw\n"
        "37 30 8 / /bad rw - ext4 x rw\n"
        "\n");
    REQUIRE(mounts.size() == 3);
    CHECK(mounts[0].id == 25);
    CHECK(mounts[0].device == 23);
    CHECK(mounts[0].mountpoint == "/sys");
    CHECK(mounts[1].device == ((259U << 20U) | 2U));
    CHECK(mounts[1].mountpoint == "/");
    CHECK(mounts[2].device == ((8U << 20U) | 1048575U));
    CHECK(mounts[2].mountpoint == "/mnt/a b\\c");
}

TEST_CASE("where a file is seen of which the path in its file system is known", "[path_resolver]")
{
    const std::vector<Mount> mounts = parse_mountinfo(
        "30 1 259:2 / / rw - ext4 a rw\n"
        "31 30 0:40 /sub /mnt/part rw - tmpfs b rw\n"
        "32 30 0:40 / /mnt/whole rw - tmpfs b rw\n"
        "33 30 0:40 / /mnt/again rw - tmpfs b rw\n"
        "34 30 0:41 /only/this /mnt/bind rw - btrfs c rw\n");
    const auto text = [&](std::uint32_t device, const std::string& path) -> std::string {
        const auto found = find_mounted(mounts, device, path);
        return found ? found->mountpoint + "|" + found->root + "|" + found->path : "nowhere";
    };
    CHECK(text((259U << 20U) | 2U, "/data/x") == "||/data/x");
    CHECK(text(40, "/sub/x") == "/mnt/whole||/sub/x");
    CHECK(text(41, "/only/this/x") == "/mnt/bind|/only/this|/x");
    CHECK(text(41, "/only/this") == "/mnt/bind|/only/this|");
    CHECK(text(41, "/only/that") == "nowhere");
    CHECK(text(41, "/only/thistle") == "nowhere");
    CHECK(text(42, "/x") == "nowhere");
}

TEST_CASE("a path that is not there has no directories", "[path_resolver]")
{
    SystemPathResolver resolver;
    CHECK(resolver.resolve("/nonexistent/a").value().directories.empty());
    CHECK(resolver.resolve("/proc/self/status/x").value().directories.empty());
}

TEST_CASE("a plain directory is found by itself", "[path_resolver]")
{
    std::string folder = (std::filesystem::temp_directory_path() / "pinwarden-test-XXXXXX").string();
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    SystemPathResolver resolver;

    const auto resolved = resolver.resolve(folder);
    REQUIRE(resolved);
    REQUIRE(resolved->directories.size() == 1);
    CHECK(resolved->directories[0].inode == inode_of(folder));
    CHECK(resolved->path == std::filesystem::canonical(folder).string());

    // A symbolic link leads to the same; so does a file that is named itself.
    const std::string link = folder + "/link";
    REQUIRE(symlink(folder.c_str(), link.c_str()) == 0);
    CHECK(resolver.resolve(link)->directories == resolved->directories);
    CHECK(resolver.resolve(link)->path == resolved->path);
    std::ofstream(folder + "/file") << "x";
    CHECK(has_inode(*resolver.resolve(folder + "/file"), inode_of(folder + "/file")));

    const std::string loop = folder + "/loop";
    REQUIRE(symlink(loop.c_str(), loop.c_str()) == 0);
    const auto looped = resolver.resolve(loop);
    REQUIRE_FALSE(looped);
    CHECK(looped.error().code == ELOOP);
    std::filesystem::remove_all(folder);
}

TEST_CASE("of a machine that is seen below a folder, paths are the machine's, and links stay on it", "[path_resolver]")
{
    const test::TemporaryFolder folder;
    std::filesystem::create_directories(folder.file("machine/data/sub"));
    std::ofstream(folder.file("machine/data/sub/file")) << "x";
    std::filesystem::create_symlink("/data", folder.file("machine/absolute"));
    std::filesystem::create_symlink("../../../../../../../../data", folder.file("machine/outside"));
    const HostRoot root(folder.file("machine") + "/");

    CHECK(root.here("/data") == folder.file("machine/data"));
    CHECK(root.here("/") == folder.file("machine"));
    CHECK(root.of_machine(folder.file("machine")) == "/");
    CHECK(root.of_machine(folder.file("machine/data")) == "/data");
    CHECK_FALSE(root.of_machine(folder.file("machinery")));
    CHECK(root.real_path("/absolute/sub").value() == "/data/sub");
    CHECK(root.real_path("/outside/sub").value() == "/data/sub");
    CHECK(root.real_path("/").value() == "/");
    CHECK(root.real_path("/absent").error().code == ENOENT);
    CHECK(HostRoot("/nonexistent").real_path("/data").error().message.find("/nonexistent") != std::string::npos);

    SystemPathResolver resolver(root);
    const auto resolved = resolver.resolve("/absolute");
    REQUIRE(resolved);
    CHECK(resolved->path == "/data");
    CHECK(has_inode(*resolved, inode_of(folder.file("machine/data"))));
    CHECK(resolver.resolve(folder.file("machine/data"))->directories.empty());

    // Such a folder is a mount's; of this one it cannot be told which mount shows it.
    CHECK(find_file(root, "/absolute/sub/file").error().message.find("/data/sub/file") != std::string::npos);
}

TEST_CASE("the root of all is the same as none", "[path_resolver]")
{
    const HostRoot root("/");
    CHECK(root.here("/data") == "/data");
    CHECK(root.here("/") == "/");
    CHECK(root.of_machine("/") == "/");
    CHECK(root.of_machine("/data") == "/data");
    CHECK(read_mounts(root)->size() == read_mounts(HostRoot())->size());
}

TEST_CASE("below the root lie the roots of other mounts", "[path_resolver]")
{
    SystemPathResolver resolver;
    const auto root = resolver.resolve("/");
    REQUIRE(root);
    CHECK(has_inode(*root, inode_of("/")));
    CHECK(has_inode(*root, inode_of("/proc")));

    // The device is the one the kernel shows in mountinfo.
    const auto proc = resolver.resolve("/proc");
    REQUIRE(proc);
    std::ifstream file("/proc/self/mountinfo");
    std::ostringstream text;
    text << file.rdbuf();
    for (const Mount& mount : parse_mountinfo(text.str())) {
        if (mount.mountpoint == "/proc") {
            const DirectoryId expected{inode_of("/proc"), mount.device};
            CHECK(std::ranges::find(proc->directories, expected) != proc->directories.end());
        }
    }
    CHECK(proc->directories.size() <= root->directories.size());
}

}  // namespace pinwarden
