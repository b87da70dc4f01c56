// Policies from files and folders.
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "policy/policy_files.h"
#include "policy/text_file.h"
#include "support/policies.h"

namespace pinwarden {
namespace {

using test::policy_named;

// A folder of its own, gone with the test.
class Folder {
public:
    Folder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "pinwarden-test-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    std::string write(const std::string& name, const std::string& text) const
    {
        std::ofstream(path_ / name) << text;
        return (path_ / name).string();
    }
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

Result<std::vector<Policy>> load(const std::string& path)
{
    const LoadedPolicies loaded = load_policies({path});
    if (!loaded.errors.empty()) {
        return std::unexpected(loaded.errors.front());
    }
    return loaded.policies();
}

}  // namespace

TEST_CASE("policies are loaded from a file or a folder", "[policy_files]")
{
    const Folder folder;
    CHECK(load(folder.path()).value().empty());
    const std::string second = folder.write("20.yaml", policy_named("b"));
    folder.write("10.yaml", policy_named("z") + "---\n" + policy_named("y"));
    folder.write("readme.txt", "not a policy");
    folder.write(".hidden.yaml", "not a policy");

    const auto all = load(folder.path());
    REQUIRE(all);
    REQUIRE(all->size() == 3);
    CHECK(all->at(0).name == "z");
    CHECK(all->at(1).name == "y");
    CHECK(all->at(2).name == "b");
    CHECK(all->at(2).source == second);
    CHECK(load(second).value().size() == 1);

    SECTION("a name that is taken in another file")
    {
        const std::string third = folder.write("30.yaml", "# mine\n" + policy_named("b"));
        CHECK(load(folder.path()).error().message ==
              third + ":2:7: name: \"b\" is taken by the policy at " + second + ":1:7; rename one");
    }
    SECTION("a mistake names its file")
    {
        const std::string bad = folder.write("30.yaml", "name: p\nmood: off\n");
        CHECK_THAT(load(folder.path()).error().message, Catch::StartsWith(bad + ":2:1: mood: unknown field"));
    }
    SECTION("a file that would be overlooked")
    {
        const std::string overlooked = folder.write("30.yml", policy_named("c"));
        CHECK_THAT(load(folder.path()).error().message, Catch::StartsWith(overlooked + ": would be overlooked"));
    }
    SECTION("more policies than there can be")
    {
        for (int i = 0; i < 62; ++i) {
            folder.write("5" + std::to_string(i) + ".yaml", policy_named("p" + std::to_string(i)));
        }
        CHECK_THAT(load(folder.path()).error().message, Catch::Contains("at most 64"));
    }
    SECTION("something that is no file")
    {
        std::filesystem::create_directory(folder.path() + "/30.yaml");
        CHECK_THAT(load(folder.path()).error().message, Catch::Contains("/30.yaml: is not a regular file"));
    }
}

TEST_CASE("everything that is wrong with policies is said, of each document the first", "[policy_files]")
{
    const Folder folder;
    std::filesystem::create_directory(folder.path() + "/d");
    const std::string first = folder.write("d/10.yaml", "name: p\nmood: off\n---\n" + policy_named("x"));
    const std::string second = folder.write("d/20.yaml", "name: [\n");
    const std::string third = folder.write("more.yaml", policy_named("x") + "---\nname: q\nmode: of\n");
    const LoadedPolicies loaded = load_policies({folder.path() + "/d", third, "/nonexistent"});
    std::vector<std::string> messages;
    for (const Error& error : loaded.errors) {
        messages.push_back(error.message);
    }
    REQUIRE(messages.size() == 5);
    CHECK_THAT(messages[0], Catch::StartsWith(first + ":2:1: mood: unknown field"));
    CHECK_THAT(messages[1], Catch::StartsWith(second + ":2:1: YAML: "));
    CHECK_THAT(messages[2], Catch::StartsWith(third + ":7:7: mode: \"of\""));
    CHECK_THAT(messages[3], Catch::StartsWith("/nonexistent: cannot open policy"));
    CHECK(messages[4] == third + ":1:7: name: \"x\" is taken by the policy at " + first + ":4:7; rename one");
}

TEST_CASE("a text of any size is read whole, and of one that is too long enough to see it", "[policy_files]")
{
    const Folder folder;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16'383}, std::size_t{16'384},
                                   std::size_t{16'385}, kMaxTextBytes, kMaxTextBytes + 1, kMaxTextBytes + 20'000}) {
        std::string text(size, ' ');
        for (std::size_t i = 0; i < size; ++i) {
            text[i] = static_cast<char>('a' + i % 23);
        }
        const auto read = read_text_file(folder.write("text", text), "text");
        INFO(size);
        REQUIRE(read);
        CHECK((*read == text.substr(0, kMaxTextBytes + 1)));
    }
}

TEST_CASE("what cannot be read is said", "[policy_files]")
{
    const auto missing = load("/nonexistent/x.yaml");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ENOENT);
    CHECK(missing.error().message == "/nonexistent/x.yaml: cannot open policy: No such file or directory");
    CHECK_THAT(load("/dev/null").error().message, Catch::Contains("is not a regular file"));
}

}  // namespace pinwarden
