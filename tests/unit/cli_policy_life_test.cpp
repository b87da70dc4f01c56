// The commands about modes and dry runs, from the command line to the daemon's answer.
#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "cli/arguments.h"
#include "cli/client.h"
#include "publish/api_server.h"
#include "support/policies.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

template <typename Chosen>
Chosen command(const std::vector<std::string>& arguments)
{
    auto parsed = parse_arguments(arguments, "");
    if (const auto* early = std::get_if<Early>(&parsed)) {
        FAIL(early->text);
    }
    return std::get<Chosen>(std::get<Arguments>(parsed).command);
}

std::string wrong(const std::vector<std::string>& arguments)
{
    auto parsed = parse_arguments(arguments, "");
    REQUIRE(std::holds_alternative<Early>(parsed));
    CHECK(std::get<Early>(parsed).exit_code == 2);
    return std::get<Early>(parsed).text;
}

}  // namespace

TEST_CASE("modes and dry runs are read from the command line")
{
    const auto mode = command<PolicyModeCommand>({"policy", "mode", "keep", "off"});
    CHECK(mode.name == "keep");
    CHECK(mode.mode == PolicyMode::kOff);

    const auto test = command<PolicyTestCommand>({"policy", "test", "--file", "x", "--operation", "truncate:0",
                                                  "--policy", "a.yaml", "--policy", "-", "--uid", "0", "--comm", "rm"});
    CHECK(test.file == "x");
    CHECK(test.operation == "truncate:0");
    CHECK(test.policies == std::vector<std::string>{"a.yaml", "-"});
    CHECK(test.uid == 0U);
    CHECK(test.comm == "rm");

    const auto inode = command<PolicyTestCommand>({"policy", "test", "--inode", "8:1:4711", "--operation", "umount"});
    CHECK(inode.inode == 4711);
    CHECK(inode.device_major == 8);
    CHECK(inode.device_minor == 1);
    CHECK_FALSE(inode.uid);

    const auto json =
        parse_arguments({"policy", "test", "--file", "x", "--operation", "umount", "--output", "json"}, "");
    CHECK(std::get<Arguments>(json).json);
}

TEST_CASE("wrong usage of modes and dry runs says what is missing")
{
    const std::pair<std::vector<std::string>, const char*> rows[] = {
        {{"policy", "mode", "keep"}, "MODE"},
        {{"policy", "mode", "keep", "of"}, "\"of\" is not a mode; choose from monitor, enforce, off"},
        {{"policy", "test", "--file", "x"}, "--operation"},
        {{"policy", "test", "--operation", "umount"}, "say which file: --file"},
        {{"policy", "test", "--file", "x", "--inode", "8:1:2", "--operation", "umount"}, "--"},
        {{"policy", "test", "--inode", "8:1", "--operation", "umount"}, "write DEVICE:INODE"},
        {{"policy", "test", "--inode", "8:1:0", "--operation", "umount"}, "write DEVICE:INODE"},
        {{"policy", "test", "--inode", "8:1:2x", "--operation", "umount"}, "write DEVICE:INODE"},
        {{"policy", "test", "--file", "x", "--operation", "umount", "--output", "xml"}, "--output"},
    };
    for (const auto& [arguments, expected] : rows) {
        CHECK_THAT(wrong(arguments), Catch::Contains(expected));
    }
}

TEST_CASE("modes are set and dry runs are made over the API")
{
    const TemporaryFolder folder;
    FakePipeline pipeline;
    Fanout fanout{4, 1024};
    const std::string socket = folder.file("s");
    auto server = ApiServer::start({.operators = {socket}}, pipeline, fanout);
    REQUIRE(server);
    std::string error;
    const auto pinctl = [&](Command chosen, const std::string& input = "") {
        std::istringstream in(input);
        std::ostringstream out;
        std::ostringstream err;
        const int code = run({.socket = socket, .json = false, .command = std::move(chosen)}, {in, out, err}, {});
        error = err.str();
        CHECK((code == 0) == error.empty());
        return out.str();
    };
    pipeline.applied.emplace_back().name = "keep";
    CHECK(pinctl(PolicyModeCommand{.name = "keep", .mode = PolicyMode::kEnforce}) ==
          "Mode of keep set; generation 1 is in force.\n");
    CHECK(pipeline.applied[0].mode == Mode::kEnforce);
    pinctl(PolicyModeCommand{.name = "keap", .mode = PolicyMode::kOff});
    CHECK_THAT(error, Catch::Contains("no policy \"keap\""));

    pipeline.would_be.run.reason = "no pin is in the way, so no policy is asked";
    const std::string out = pinctl(
        PolicyTestCommand{.file = "some/file", .operation = "truncate:0", .policies = {"-"}, .uid = 5, .comm = "rm"},
        policy_named("tried"));
    CHECK_THAT(out, Catch::Contains("Verdict   allow"));
    CHECK(pipeline.tested.path == std::filesystem::absolute("some/file"));
    REQUIRE(pipeline.tested.policies.size() == 1);
    CHECK(pipeline.tested.policies[0].name == "tried");
    CHECK(pipeline.tested.caller_uid == 5U);
    pinctl(PolicyTestCommand{.file = "x", .operation = "trunkate:0", .policies = {}, .comm = ""});
    CHECK_THAT(error, Catch::Contains("did you mean \"truncate\"?"));
    pinctl(PolicyTestCommand{.file = "x", .operation = "truncate:0", .policies = {"/absent.yaml"}, .comm = ""});
    CHECK_THAT(error, Catch::Contains("cannot read /absent.yaml"));
}
