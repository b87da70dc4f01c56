#include "app/config_watch.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/publish_fixtures.h"

namespace pinwarden {
namespace {

void write(const std::string& path, const std::string& text)
{
    std::ofstream(path) << text;
}

CommandLine with_config(const std::string& path)
{
    CommandLine line;
    line.config = path;
    line.config_given = true;
    return line;
}

}  // namespace

TEST_CASE("what changes in the files of configuration and policies is seen once", "[config_watch]")
{
    const test::TemporaryFolder folder;
    write(folder.file("pinwarden.yaml"), "leak_after: 5s\n");
    ConfigWatch watch(with_config(folder.file("pinwarden.yaml")));
    CHECK_FALSE(watch.changed());

    write(folder.file("pinwarden.yaml"), "leak_after: 6s\n");
    CHECK(watch.changed());
    CHECK_FALSE(watch.changed());

    std::filesystem::create_directory(folder.file("pinwarden.d"));
    CHECK_FALSE(watch.changed());
    write(folder.file("pinwarden.d/more.yaml"), "log_level: debug\n");
    CHECK(watch.changed());

    std::filesystem::create_directory(folder.file("policies.d"));
    write(folder.file("policies.d/one.yaml"), "no policy yet");
    CHECK(watch.changed());
    write(folder.file("policies.d/one.yaml"), "still none");
    CHECK(watch.changed());
    std::filesystem::remove(folder.file("policies.d/one.yaml"));
    CHECK(watch.changed());
    CHECK_FALSE(watch.changed());
}

TEST_CASE("a folder whose files are links that are exchanged at once is seen to have changed", "[config_watch]")
{
    const test::TemporaryFolder folder;
    write(folder.file("pinwarden.yaml"), "# nothing\n");
    for (const std::string version : {"..first", "..second"}) {
        std::filesystem::create_directories(folder.file("policies.d/" + version));
        write(folder.file("policies.d/" + version + "/policy.yaml"), version);
    }
    std::filesystem::create_symlink("..first", folder.file("policies.d/..data"));
    std::filesystem::create_symlink("..data/policy.yaml", folder.file("policies.d/policy.yaml"));
    ConfigWatch watch(with_config(folder.file("pinwarden.yaml")));
    CHECK_FALSE(watch.changed());

    std::filesystem::create_symlink("..second", folder.file("policies.d/..new"));
    std::filesystem::rename(folder.file("policies.d/..new"), folder.file("policies.d/..data"));
    CHECK(watch.changed());
    CHECK_FALSE(watch.changed());
}

TEST_CASE("a file that cannot be read is no change while it stays so", "[config_watch]")
{
    const test::TemporaryFolder folder;
    ConfigWatch watch(with_config(folder.file("pinwarden.yaml")));
    CHECK_FALSE(watch.changed());
    write(folder.file("pinwarden.yaml"), "# here now\n");
    CHECK(watch.changed());
}

}  // namespace pinwarden
