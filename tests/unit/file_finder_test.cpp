#include "policy/file_finder.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "policy/path_resolver.h"
#include "support/publish_fixtures.h"

namespace pinwarden {
namespace {

std::uint64_t inode_of(const std::string& path)
{
    struct stat status = {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_ino;
}

}  // namespace

TEST_CASE("a file is found through links, with the directories above it", "[file_finder]")
{
    const test::TemporaryFolder folder;
    std::filesystem::create_directories(folder.file("a/b"));
    std::ofstream(folder.file("a/b/file")) << "12345";
    std::filesystem::create_symlink("a/b/file", folder.file("link"));
    const auto found = find_file(HostRoot(), folder.file("link"));
    REQUIRE(found);
    CHECK(found->path == std::filesystem::canonical(folder.file("a/b/file")));
    CHECK(found->size == 5);
    CHECK(found->regular);
    CHECK(found->inode == inode_of(folder.file("a/b/file")));
    CHECK_FALSE(found->filesystem.empty());
    for (const std::string path : {"a/b/file", "a/b", "a", ""}) {
        const std::uint64_t inode = inode_of(folder.file(path));
        CHECK(std::ranges::any_of(found->directories, [&](const DirectoryId& id) { return id.inode == inode; }));
    }
    CHECK(found->directories.front() == DirectoryId{found->inode, found->device});
    // A policy's prefix is found among them.
    SystemPathResolver resolver;
    const auto prefix = resolver.resolve(folder.file("a"));
    REQUIRE(prefix);
    REQUIRE_FALSE(prefix->directories.empty());
    CHECK(std::ranges::find(found->directories, prefix->directories.front()) != found->directories.end());
}

TEST_CASE("a folder is no regular file, and what is not there is not found", "[file_finder]")
{
    const test::TemporaryFolder folder;
    CHECK_FALSE(find_file(HostRoot(), folder.file(""))->regular);
    CHECK(find_file(HostRoot(), folder.file("absent")).error().code == ENOENT);
    CHECK(find_file(HostRoot(), "relative").error().code == EINVAL);
    CHECK(find_file(HostRoot(), "/")->mountpoint == "/");
}

TEST_CASE("the type of a file system is read, without its subtype", "[file_finder]")
{
    const auto mounts = parse_mountinfo(
        "30 1 259:2 / / rw,relatime shared:1 master:2 - ext4 /dev/nvme0n1p2 rw\n"
        "31 1 0:50 / /x rw - fuse.sshfs host: rw\n"
        "32 1 0:51 / /y rw\n");
    REQUIRE(mounts.size() == 3);
    CHECK(mounts[0].filesystem == "ext4");
    CHECK(mounts[1].filesystem == "fuse");
    CHECK(mounts[2].filesystem.empty());
}

}  // namespace pinwarden
