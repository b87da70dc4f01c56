// Configuration files: what they may say, which of several wins, and what is told of mistakes.
#include "app/configuration.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "app/config_check.h"
#include "app/config_file.h"
#include "policy/path_resolver.h"
#include "support/policies.h"
#include "support/publish_fixtures.h"

namespace pinwarden {
namespace {

using Texts = std::vector<std::string>;

// A folder like /etc/pinwarden.
class Etc {
public:
    std::string write(const std::string& name, const std::string& text) const
    {
        const std::string path = folder_.file(name);
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << text;
        return path;
    }

    [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

    [[nodiscard]] CommandLine line(std::vector<std::string> flags = {}) const
    {
        flags.insert(flags.begin(), {"pinwardend", "--config", file("pinwarden.yaml")});
        std::vector<const char*> arguments;
        for (const std::string& flag : flags) {
            arguments.push_back(flag.c_str());
        }
        auto parsed = parse_command_line(static_cast<int>(arguments.size()), arguments.data());
        REQUIRE(parsed);
        return *parsed;
    }

    [[nodiscard]] Configuration load(const std::vector<std::string>& flags = {}) const
    {
        LoadedConfiguration loaded = load_configuration(line(flags));
        REQUIRE(messages_of(loaded.errors) == Texts{});
        return loaded.configuration;
    }

    [[nodiscard]] Texts errors(const std::vector<std::string>& flags = {}) const
    {
        return messages_of(load_configuration(line(flags)).errors);
    }

private:
    test::TemporaryFolder folder_;
};

std::string origin(const Configuration& configuration, std::string_view name)
{
    return to_string(configuration.origin(*find_option(name)));
}

}  // namespace

TEST_CASE("configuration: every kind of option can be set in a file, and its place is known", "[configuration]")
{
    const ReadSettings read = parse_settings(
        "# ours\n"
        "leak_after: 1m\n"
        "  \n"
        "protect: [postgres, /usr/bin/qemu]\n"
        "track_short_term: true\n"
        "ring_size: 65536\n"
        "policy:\n"
        "  - /srv/policies\n",
        "x.yaml");
    REQUIRE(messages_of(read.errors) == Texts{});
    REQUIRE(read.settings.size() == 5);
    CHECK(read.settings[0].option->name == "leak-after");
    CHECK(read.settings[0].values == Texts{"1m"});
    CHECK(read.settings[0].origin ==
          OptionOrigin{.from = OptionOrigin::From::kFile, .file = "x.yaml", .line = 2, .column = 1});
    CHECK(read.settings[1].values == Texts{"postgres", "/usr/bin/qemu"});
    CHECK(read.settings[4].origin.line == 7);
    for (const char* nothing : {"", "# only a comment\n", "---\n", "{}\n"}) {
        const ReadSettings empty = parse_settings(nothing, "x.yaml");
        CHECK(empty.settings.empty());
        CHECK(empty.errors.empty());
    }
    CHECK(parse_settings("protect: []\n", "x.yaml").settings.front().values.empty());
}

TEST_CASE("configuration: a mistake is told with its place and what is allowed", "[configuration]")
{
    const auto [text, told] = GENERATE(table<std::string, std::string>({
        {"leak_aftr: 5s\n", "x.yaml:1:1: leak_aftr: unknown option; did you mean \"leak_after\"?"},
        {"leak-after: 5s\n", "x.yaml:1:1: leak-after: unknown option; did you mean \"leak_after\"?"},
        {"colour: red\n", "x.yaml:1:1: colour: unknown option; known are: socket, operator_group, "},
        {"probe: true\n", "x.yaml:1:1: probe: unknown option"},
        {"a: 1\nleak_after: 5\n", "x.yaml:2:13: leak_after: \"5\" lacks a unit"},
        {"leak_after: [5s]\n", "x.yaml:1:13: leak_after: must be one DURATION, not a list"},
        {"leak_after:\n", "x.yaml:1:1: leak_after: must be one DURATION, not nothing; give it a value or leave it out"},
        {"leak_after: 5s\nleak_after: 6s\n", "x.yaml:2:1: leak_after: given twice, first on line 1; remove one"},
        {"no_census: yes\n", "x.yaml:1:12: no_census: must be true or false, not \"yes\""},
        {"no_census: [true]\n", "x.yaml:1:12: no_census: must be true or false, not a list"},
        {"protect: postgres\n", "x.yaml:1:10: protect: must be a list, not the text \"postgres\"; write [postgres]"},
        {"protect: [a, {b: c}]\n", "x.yaml:1:14: protect: must be one NAME_OR_PATH, not a map"},
        {"protect:\n  - ok\n  - bin/x\n", "x.yaml:3:5: protect: protected process: \"bin/x\" is not absolute"},
        {"ring_size: 5000\n",
         "x.yaml:1:12: ring_size: \"5000\" is not possible; wants a power of two from 4KiB to 1GiB"},
        {"log_level: loud\n", "x.yaml:1:12: log_level: \"loud\" is not one of debug, info, warning, error"},
        {"metrics_address: here\n", "x.yaml:1:18: metrics_address: metrics address \"here\": has no port"},
        {"audit_log: audit.log\n", "x.yaml:1:12: audit_log: \"audit.log\" is not absolute; a path in a file begins"},
        {"policy: [here.yaml]\n", "x.yaml:1:10: policy: \"here.yaml\" is not absolute"},
        {"socket: ''\n", "x.yaml:1:9: socket: wants the path of a socket"},
        {"reader_group: no-such-group-here\n", "x.yaml:1:15: reader_group: there is no group \"no-such-group-here\""},
        {"- leak_after\n", "x.yaml:1:1: configuration: must be a map of options, such as leak_after: 30s, not a list"},
        {"leak_after: 5s\n---\nleak_after: 6s\n", ": configuration: a second document begins here; put all into one"},
        {"leak_after: [\n", "x.yaml:2:1: YAML: "},
        {"leak_after: &x 5s\n", "anchors (&name) are not accepted"},
        {"leak_after: \x01\n", "x.yaml:1:13: control character"},
    }));
    const Texts errors = messages_of(parse_settings(text, "x.yaml").errors);
    REQUIRE_FALSE(errors.empty());
    CHECK_THAT(errors.back(), Catch::Contains(told));
}

TEST_CASE("configuration: reading goes on after a mistake", "[configuration]")
{
    const ReadSettings read =
        parse_settings("colour: red\nleak_after: soon\nprotect: [.., a, /b/]\nlog_level: debug\n", "x.yaml");
    CHECK(read.errors.size() == 4);
    REQUIRE(read.settings.size() == 1);
    CHECK(read.settings[0].option->name == "log-level");
}

TEST_CASE("configuration: a flag wins over drop-ins, the later drop-in over the earlier, these over the file",
          "[configuration]")
{
    const Etc etc;
    const std::string main = etc.write("pinwarden.yaml",
                                       "leak_after: 1m\nlong_lived_after: 1m\nquiet_after: 1m\n"
                                       "log_level: error\nprotect: [a, b]\n");
    const std::string first = etc.write("pinwarden.d/10-a.yaml", "long_lived_after: 2m\nquiet_after: 2m\n");
    const std::string second = etc.write("pinwarden.d/20-b.yaml", "\nprotect: [c]\nquiet_after: 3m\n");
    etc.write("pinwarden.d/.hidden.yaml", "nonsense");
    etc.write("pinwarden.d/readme.txt", "nonsense");
    const Configuration configuration = etc.load({"--log-level", "debug"});
    CHECK(configuration.files == Texts{main, first, second});
    CHECK(configuration.options.leak_after == 60'000'000'000);
    CHECK(configuration.options.long_lived_after == 120'000'000'000);
    CHECK(configuration.options.quiet_after == 180'000'000'000);
    CHECK(configuration.options.log_level == "debug");
    // A list is not added to.
    CHECK(configuration.options.protect == Texts{"c"});
    CHECK(origin(configuration, "leak-after") == main + ":1");
    CHECK(origin(configuration, "long-lived-after") == first + ":1");
    CHECK(origin(configuration, "quiet-after") == second + ":3");
    CHECK(origin(configuration, "protect") == second + ":2");
    CHECK(origin(configuration, "log-level") == "flag");
    CHECK(origin(configuration, "socket") == "default");
}

TEST_CASE("configuration: the file must be there only when it was named; drop-ins and policies need none",
          "[configuration]")
{
    const Etc etc;
    CHECK(etc.errors() == Texts{etc.file("pinwarden.yaml") + ": cannot open configuration: No such file or directory"});
    CommandLine unnamed = etc.line();
    unnamed.config_given = false;
    etc.write("pinwarden.d/a.yaml", "leak_after: 7s\n");
    etc.write("policies.d/p.yaml", test::policy_named("p"));
    const LoadedConfiguration loaded = load_configuration(unnamed);
    CHECK(loaded.errors.empty());
    CHECK(loaded.configuration.options.leak_after == 7'000'000'000);
    CHECK(loaded.configuration.policy_paths == Texts{etc.file("policies.d")});
    CHECK(load_policies(loaded.configuration).policies().front().name == "p");
}

TEST_CASE("configuration: options that exclude each other", "[configuration]")
{
    const Etc etc;
    const std::string main = etc.write("pinwarden.yaml", "no_reader_socket: true\nstate_dir: /srv/state\n");
    CHECK_FALSE(etc.load().options.readers);
    // The later source voids what it excludes in the earlier one.
    const Configuration with = etc.load({"--reader-socket", "/run/x.sock", "--no-state"});
    CHECK(with.options.readers);
    CHECK(with.options.reader_socket == "/run/x.sock");
    CHECK(origin(with, "no-reader-socket") == "default");
    CHECK_FALSE(with.options.state);
    CHECK(origin(with, "state-dir") == "default");
    CHECK(etc.load({"--no-reader-socket=false"}).options.readers);

    etc.write("pinwarden.yaml", "reader_socket: /run/x.sock\nno_reader_socket: true\n");
    CHECK(etc.errors() == Texts{main + ":2:1: no_reader_socket: makes no sense beside reader_socket; remove one"});
    etc.write("pinwarden.yaml", "reader_socket: /run/x.sock\nno_reader_socket: false\n");
    CHECK(etc.load().options.readers);
    etc.write("pinwarden.yaml", "socket: /run/x.sock\nreader_socket: /run/x.sock\n");
    REQUIRE(etc.errors().size() == 1);
    CHECK_THAT(etc.errors().front(), Catch::StartsWith(main + ":2:1: reader_socket: /run/x.sock is the socket for"));
}

TEST_CASE("configuration: mistakes of all files are told together", "[configuration]")
{
    const Etc etc;
    const std::string main = etc.write("pinwarden.yaml", "leak_after: soon\n");
    const std::string drop_in = etc.write("pinwarden.d/10.yaml", "\nlog_level: 7\n");
    const Texts errors = etc.errors();
    REQUIRE(errors.size() == 2);
    CHECK_THAT(errors[0], Catch::StartsWith(main + ":1:13: leak_after: "));
    CHECK_THAT(errors[1], Catch::StartsWith(drop_in + ":2:12: log_level: "));
    const std::string overlooked = etc.write("pinwarden.d/20.yml", "");
    CHECK_THAT(etc.errors().back(), Catch::StartsWith(overlooked + ": would be overlooked"));
}

TEST_CASE("policies come from policies.d first, then from what is named", "[configuration]")
{
    const Etc etc;
    const std::string main = etc.write("pinwarden.yaml", "policy: [" + etc.file("more.yaml") + "]\n");
    etc.write("policies.d/20.yaml", test::policy_named("second"));
    const std::string first = etc.write("policies.d/10.yaml", test::policy_named("first"));
    CHECK(messages_of(load_policies(etc.load()).errors) ==
          Texts{main + ":1:1: policy: there is no file or folder " + etc.file("more.yaml")});
    const std::string more = etc.write("more.yaml", test::policy_named("third"));
    Texts names;
    for (const Policy& policy : load_policies(etc.load()).policies()) {
        names.push_back(policy.name);
    }
    CHECK(names == Texts{"first", "second", "third"});
    etc.write("more.yaml", test::policy_named("first"));
    CHECK(messages_of(load_policies(etc.load()).errors) ==
          Texts{more + ":1:7: name: \"first\" is taken by the policy at " + first + ":1:7; rename one"});
}

TEST_CASE("a check tells what would be in force", "[configuration]")
{
    const Etc etc;
    const std::string main = etc.write("pinwarden.yaml", "leak_after: 1m\nprotect: [a, b]\n");
    const std::string file = etc.write("policies.d/p.yaml",
                                       "name: p\nmode: enforce\nmatch: {operations: [truncate], file: {path_prefixes: ["
                                       "/nonexistent/x]}}\naction: {deny: {}}\n");
    SystemPathResolver paths;
    const ConfigCheck check = check_config(etc.line({"--no-census"}), paths);
    CHECK(check.errors == Texts{});
    for (const std::string& line :
         {"files: " + main + "\n", "\nleak_after        1m  (" + main + ":1)\n",
          "\nprotect           a, b  (" + main + ":2)\n", std::string("\nno_census         true  (flag)\n"),
          std::string("\nring_size         16MiB  (default)\n"), "\npolicy p: pending (" + file + ":1:7); "}) {
        CHECK_THAT(check.text, Catch::Contains(line));
    }
    CHECK_THAT(check.text, Catch::Contains("/nonexistent/x does not exist yet"));
}

TEST_CASE("a check tells everything that is wrong, and what the compiler refuses", "[configuration]")
{
    const Etc etc;
    const std::string main = etc.write("pinwarden.yaml", "leak_after: soon\n");
    const std::string bad = etc.write("policies.d/10.yaml", "name: bad\nmood: off\n");
    std::filesystem::create_symlink("/usr/bin/env", etc.file("program"));
    const std::string linked = etc.write(
        "policies.d/20.yaml", "name: linked\nmode: monitor\nmatch: {operations: [truncate], caller: {binaries: [" +
                                  etc.file("program") + "]}}\naction: {deny: {}}\n");
    SystemPathResolver paths;
    const ConfigCheck check = check_config(etc.line(), paths);
    CHECK(check.text.empty());
    REQUIRE(check.errors.size() == 3);
    CHECK_THAT(check.errors[0], Catch::StartsWith(main + ":1:13: leak_after: "));
    CHECK_THAT(check.errors[1], Catch::StartsWith(bad + ":2:1: mood: unknown field"));
    CHECK_THAT(check.errors[2], Catch::StartsWith(linked + ":1:7: policy \"linked\": match.caller.binaries: ") &&
                                    Catch::Contains("symbolic link"));
}

}  // namespace pinwarden
