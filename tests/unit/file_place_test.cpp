#include "ledger/file_place.h"

#include <catch2/catch.hpp>

using namespace pinwarden;

namespace {

constexpr std::uint32_t kData = 8U << 20U | 1U;
constexpr std::uint32_t kRoot = 8U << 20U | 2U;

RenameEvent to_rename(const std::string& path, const std::string& new_path, std::uint32_t device = kData)
{
    RenameEvent event;
    event.device = device;
    event.directory = true;
    event.path = path;
    event.new_path = new_path;
    return event;
}

// A file system mounted at /mnt/data.
FilePlace mounted(const std::string& path)
{
    return {{{kData, "", path}, {kRoot, "", "/mnt/data"}}, false};
}

// The folder `root` of that file system, bound to /srv.
FilePlace bound(const std::string& root, const std::string& path)
{
    return {{{kData, root, path}, {kRoot, "", "/srv"}}, false};
}

}  // namespace

TEST_CASE("a path follows the directories it leads through", "[place]")
{
    struct Row {
        FilePlace place;
        RenameEvent event;
        std::string path;
        bool moved;
    };
    const Row rows[] = {
        {mounted("/a/b/x"), to_rename("/a", "/c"), "/mnt/data/c/b/x", true},
        {mounted("/a/b/x"), to_rename("/a/b", "/b"), "/mnt/data/b/x", true},
        {mounted("/a/b/x"), to_rename("/a/b/x", "/y"), "/mnt/data/y", true},
        // By whole names, and in that file system only.
        {mounted("/ab/x"), to_rename("/a", "/c"), "/mnt/data/ab/x", false},
        {mounted("/a"), to_rename("/a/b", "/c"), "/mnt/data/a", false},
        {mounted("/a/b/x"), to_rename("/a", "/c", kRoot), "/mnt/data/a/b/x", false},
        {mounted("/mnt/x"), to_rename("/mnt", "/c", kRoot), "/c/data/mnt/x", true},
        // A directory above the mountpoint.
        {mounted("/a/x"), to_rename("/mnt", "/media", kRoot), "/media/data/a/x", true},
        // Below the root of a bind mount, and above it.
        {bound("/a", "/b/x"), to_rename("/a/b", "/a/c"), "/srv/c/x", true},
        {bound("/a/b", "/x"), to_rename("/a", "/c"), "/srv/x", true},
        {bound("/a/b", "/x"), to_rename("/a/b", "/c"), "/srv/x", true},
        {bound("/a", "/b/x"), to_rename("/srv", "/c", kRoot), "/c/b/x", true},
        // Out of it: through that mount there is no way any more.
        {bound("/a", "/b/x"), to_rename("/a/b", "/c"), ".../c/x", true},
        {bound("/a", "/b/x"), to_rename("/a/b", "/ab"), ".../ab/x", true},
        // What was too long to be recorded is not followed.
        {mounted("/a/x"), to_rename("...", "/c"), "/mnt/data/a/x", false},
        {mounted("/a/x"), to_rename("/a", ".../c"), "/mnt/data/a/x", false},
        {mounted("/a/x"), to_rename("/a", ""), "/mnt/data/a/x", false},
        {FilePlace({{kData, "", "/a/x"}}, true), to_rename("/a", "/c"), ".../c/x", true},
        {FilePlace({{0, "", "/a/x"}}, true), to_rename("/a", "/c"), ".../a/x", false},
        {FilePlace(), to_rename("/a", "/c"), "", false},
    };
    for (Row row : rows) {
        INFO(row.place.path() << ": " << row.event.path << " to " << row.event.new_path);
        CHECK(row.place.move_along(row.event) == row.moved);
        CHECK(row.place.path() == row.path);
    }
}

TEST_CASE("a path that was followed once is followed again", "[place]")
{
    FilePlace place = bound("/a/b", "/x");
    place.move_along(to_rename("/a", "/c"));
    place.move_along(to_rename("/c/b/x", "/c/b/d/y"));
    CHECK(place.path() == "/srv/d/y");
    CHECK_FALSE(place.move_along(to_rename("/a/b", "/z")));
    place.move_along(to_rename("/c/b/d", "/e"));
    CHECK(place.path() == ".../e/y");
    place.move_along(to_rename("/e", "/f"));
    CHECK(place.path() == ".../f/y");
}

TEST_CASE("an exchange goes both ways at once", "[place]")
{
    RenameEvent exchange = to_rename("/a", "/b/c");
    exchange.directory = false;
    exchange.exchange = true;
    const std::pair<std::string, std::string> rows[] = {{"/a/x", "/b/c/x"}, {"/b/c/x", "/a/x"}, {"/a", "/b/c"},
                                                        {"/b/c", "/a"},     {"/b/x", "/b/x"},   {"/aa", "/aa"}};
    for (const auto& [before, after] : rows) {
        FilePlace place = mounted(before);
        CHECK(place.move_along(exchange) == (before != after));
        CHECK(place.path() == "/mnt/data" + after);
    }
}

TEST_CASE("a hard link of another name is another place", "[place]")
{
    CHECK(mounted("/a/x").is_at(to_rename("/a/x", "/y")));
    CHECK(bound("/a", "/x").is_at(to_rename("/a/x", "/y")));
    CHECK_FALSE(mounted("/a/x").is_at(to_rename("/a", "/y")));
    CHECK_FALSE(mounted("/a/x").is_at(to_rename("/b/x", "/y")));
    CHECK_FALSE(mounted("/a/x").is_at(to_rename("/a/x", "/y", kRoot)));
    CHECK_FALSE(FilePlace().is_at(to_rename("", "/y", 0)));
}
