// pinctl config show, from the command line to what is shown.
#include <catch2/catch.hpp>
#include <sstream>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/render_config.h"
#include "publish/api_server.h"
#include "publish/config_service.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

ConfigView example()
{
    const OptionOrigin file{.from = OptionOrigin::From::kFile, .file = "/etc/p.yaml", .line = 3, .column = 1};
    return {
        .options = {{.name = "leak_after", .in_force = {{"1m"}, file}, .at_run_time = true},
                    {.name = "protect", .in_force = {{"a", "b\x1b"}, {.from = OptionOrigin::From::kFlag}}},
                    {.name = "reader_group", .in_force = {{}, {}}},
                    {.name = "ring_size", .in_force = {{"16MiB"}, {}}, .after_restart = OptionValue{{"1MiB"}, file}}},
        .files = {"/etc/p.yaml"},
        .policy_paths = {"/etc/policies.d"},
        .last_reload = ReloadView{.time = 100 * kSecond, .applied = true, .messages = {"ring_size stays 16MiB"}}};
}

class FixedConfig final : public pinwarden::ConfigSource {
public:
    [[nodiscard]] ConfigView config() const override { return example(); }
};

}  // namespace

TEST_CASE("the configuration is shown with where each value came from")
{
    CHECK(render_config(config_to_proto(example()), 160, kPlain) ==
          "OPTION        VALUE     FROM\n"
          "leak_after    1m        /etc/p.yaml:3\n"
          "protect       a, b\\x1b  flag\n"
          "reader_group  -         default\n"
          "ring_size     16MiB     default\n"
          "    after a restart: 1MiB (/etc/p.yaml:3)\n"
          "\n"
          "Files:       /etc/p.yaml\n"
          "Policies:    /etc/policies.d\n"
          "Last reload: 1m00s ago, applied\n"
          "  ring_size stays 16MiB\n");
    ConfigView refused = example();
    refused.last_reload = ReloadView{.time = 100 * kSecond, .applied = false, .messages = {"/etc/p.yaml:1:1: no"}};
    CHECK_THAT(render_config(config_to_proto(refused), 160, kColoured),
               Catch::Contains("\x1b[31mrefused\x1b[0m; what was in force before stays\n  /etc/p.yaml:1:1: no\n"));
    CHECK_THAT(render_config({}, 160, kPlain), Catch::EndsWith("Files:       none\nPolicies:    none of files\n"
                                                               "Last reload: none since the start\n"));
}

TEST_CASE("config show asks the daemon, for people and for machines")
{
    const TemporaryFolder folder;
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    const FixedConfig config;
    const auto server =
        ApiServer::start({.operators = {folder.file("s")}}, pipeline, fanout, {.config = &config}).value();
    auto parsed = parse_arguments({"--socket", folder.file("s"), "config", "show"}, "");
    auto& arguments = std::get<Arguments>(parsed);
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    REQUIRE(run(arguments, {in, out, err}, {}) == 0);
    CHECK_THAT(out.str(), Catch::Contains("leak_after    1m        /etc/p.yaml:3\n"));
    out.str("");
    arguments.json = true;
    REQUIRE(run(arguments, {in, out, err}, {}) == 0);
    CHECK_THAT(out.str(),
               Catch::Contains("\"source\": \"CONFIG_SOURCE_FILE\"") && Catch::Contains("\"after_restart\""));
    CHECK(err.str().empty());
}

TEST_CASE("config wants to be told what to do")
{
    const auto parsed = parse_arguments({"config"}, "");
    REQUIRE(std::holds_alternative<Early>(parsed));
    CHECK_THAT(std::get<Early>(parsed).text, Catch::Contains("say what to do with the configuration: show"));
}
