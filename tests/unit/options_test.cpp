// The command line, without any configuration file.
#include "app/options.h"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "app/api_sockets.h"
#include "app/configuration.h"
#include "app/losses.h"

using namespace pinwarden;

namespace {

std::expected<CommandLine, EarlyExit> parse_line(std::vector<const char*> arguments)
{
    arguments.insert(arguments.begin(), "pinwardend");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::expected<Options, EarlyExit> parse(const std::vector<const char*>& arguments)
{
    auto line = parse_line(arguments);
    if (!line) {
        return std::unexpected(line.error());
    }
    line->config = "/nonexistent/pinwarden.yaml";
    const LoadedConfiguration loaded = load_configuration(*line);
    REQUIRE(messages_of(loaded.errors).empty());
    return loaded.configuration.options;
}

}  // namespace

TEST_CASE("options: what is not given has its default, what is given is taken", "[options]")
{
    const auto defaults = parse({});
    REQUIRE(defaults.has_value());
    CHECK(defaults->socket == "/run/pinwarden/operator.sock");
    CHECK(defaults->metrics_address == "127.0.0.1:9877");
    CHECK(defaults->ring_bytes == 16U << 20U);
    CHECK(defaults->leak_after == 30'000'000'000);
    CHECK(defaults->audit_log == "/var/log/pinwarden/audit.log");
    CHECK(defaults->protect.empty());
    CHECK(defaults->state_dir == "/var/lib/pinwarden");
    CHECK(defaults->state);
    CHECK_FALSE(parse({"--no-state"})->state);
    CHECK(parse({"--state-dir", "/srv/state"})->state_dir == "/srv/state");

    const auto given = parse({"--policy", "a.yaml", "--policy", "b", "--ring-size", "64KiB", "--socket", "/tmp/s"});
    REQUIRE(given.has_value());
    CHECK(given->policies == std::vector<std::string>{"a.yaml", "b"});
    CHECK(given->ring_bytes == 65536);
    CHECK(given->socket == "/tmp/s");
    CHECK_FALSE(defaults->track_short_term);
    CHECK(parse({"--track-short-term", "--long-lived-after", "1s"})->track_short_term);
    CHECK(parse({"--long-lived-after", "1s"})->long_lived_after == 1'000'000'000);
    CHECK(parse({"--leak-after", "500ms"})->leak_after == 500'000'000);
    CHECK(parse({"--audit-log", "audit.log"})->audit_log == "audit.log");
    CHECK(parse({"--protect", "postgres", "--protect", "/usr/bin/qemu-system-x86_64"})->protect ==
          std::vector<std::string>{"postgres", "/usr/bin/qemu-system-x86_64"});
}

TEST_CASE("options: wrong ones end with status 2 and a message that names them", "[options]")
{
    const auto [arguments, named] = GENERATE(table<std::vector<const char*>, std::string>({
        {{"--no-such"}, "--no-such"},
        {{"--ring-size", "5000"}, "--ring-size: \"5000\" is not possible; wants a power of two"},
        {{"--ring-size", "2GiB"}, "--ring-size"},
        {{"--ring-size", "many"}, "--ring-size"},
        {{"--max-files", "1023"}, "--max-files: \"1023\" is not possible; wants a number from 1024 to 16777216"},
        {{"--max-files", "16777217"}, "--max-files"},
        {{"--max-files", "1e5"}, "--max-files"},
        {{"--log-level", "loud"}, "--log-level"},
        {{"--leak-after", "5"}, "--leak-after: \"5\" lacks a unit"},
        {{"--leak-after", "soon"}, "--leak-after"},
        {{"--audit-log", ""}, "--audit-log: wants the path of a file"},
        {{"--audit-log", "/var/log/"}, "--audit-log: wants the path of a file"},
        {{"--audit-log"}, "--audit-log"},
        {{"--state-dir", "state"}, "--state-dir: wants the absolute path of a folder"},
        {{"--state-dir", "/dev/null"}, "--state-dir: /dev/null is no folder"},
        {{"--state-dir", "/x", "--no-state"}, "--no-state"},
        {{"--protect", "bin/x"}, "--protect: protected process: \"bin/x\" is not absolute"},
        {{"--protect", "/usr/bin/"}, "--protect: protected process: \"/usr/bin/\" is a folder"},
        {{"--protect", ".."}, "--protect: protected process \"..\" names no executable"},
        {{"--protect", "postgres", "stray"}, "stray"},
        {{"--socket"}, "--socket"},
        {{"--metrics-address", "here"}, "--metrics-address: metrics address \"here\": has no port"},
        {{"--reader-socket", "/run/x", "--no-reader-socket"}, "--no-reader-socket"},
        {{"--no-census=perhaps"}, "--no-census"},
        {{"--socket", "/a", "--socket", "/b"}, "--socket"},
        {{"--config"}, "--config"},
        {{"stray"}, "stray"},
    }));
    const auto result = parse_line(arguments);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().status == 2);
    CHECK_THAT(result.error().text, Catch::Contains(named) && Catch::StartsWith("pinwardend: "));
}

TEST_CASE("options: one of the errands, and what they read", "[options]")
{
    CHECK(parse_line({})->errand == Errand::kRun);
    CHECK(parse_line({})->config == "/etc/pinwarden/pinwarden.yaml");
    CHECK_FALSE(parse_line({})->config_given);
    CHECK(parse_line({"--probe"})->errand == Errand::kProbe);
    CHECK(parse_line({"--release-holds"})->errand == Errand::kReleaseHolds);
    CHECK(parse_line({"--release-kept"})->errand == Errand::kReleaseKept);
    CHECK(parse_line({"--repair"})->errand == Errand::kRepair);
    const auto both = parse_line({"--repair", "--probe"});
    REQUIRE_FALSE(both.has_value());
    CHECK(both.error().status == 2);
    CHECK(both.error().text.find("--probe and --repair: one at a time") != std::string::npos);
    const auto check = parse_line({"--check-config", "--config", "/x/y.yaml", "--no-census=false"});
    CHECK(check->errand == Errand::kCheckConfig);
    CHECK(check->config == "/x/y.yaml");
    CHECK(check->config_given);
    REQUIRE(check->flags.size() == 1);
    CHECK(check->flags[0].values == std::vector<std::string>{"false"});
}

TEST_CASE("options: every one shows what it was set to, under a key of its own", "[options]")
{
    std::set<std::string> keys;
    for (const OptionSpec& option : option_table()) {
        INFO(option.name);
        CHECK(keys.insert(key_of(option)).second);
        CHECK(find_option_by_key(key_of(option)) == &option);
        CHECK(find_option(option.name) == &option);
        Options options;
        const std::string value = option.kind == OptionKind::kSwitch ? "true"
                                  : option.type == "DURATION"        ? "7m"
                                  : option.type == "SIZE"            ? "64KiB"
                                  : option.type == "COUNT"           ? "7"
                                  : option.type == "NUMBER"          ? "2048"
                                                                     : "/other/value";
        option.set(options, {value});
        CHECK(option.get(options) == std::vector{value});
        for (const std::string_view name : option.excludes) {
            CHECK(find_option(name) != nullptr);
        }
    }
}

TEST_CASE("options: help and version are no mistakes", "[options]")
{
    CHECK(parse({"--help"}).error().status == 0);
    CHECK_THAT(parse({"--help"}).error().text, Catch::Contains("--policy") &&
                                                   Catch::Contains("--audit-log PATH=/var/log/pinwarden/audit.log") &&
                                                   Catch::Contains("--protect NAME_OR_PATH"));
    CHECK(parse({"--version"}).error().status == 0);
    CHECK_THAT(parse({"--version"}).error().text, Catch::StartsWith("pinwardend 0."));
}

TEST_CASE("losses: of skipped runs those that a second program did not make good", "[options]")
{
    const auto hook = [](const char* purpose, std::uint64_t missed, std::uint64_t caught = 0) {
        return HookStatus{.name = "x", .purpose = purpose, .attached = true, .missed = missed, .caught = caught};
    };
    const auto none = count_missed({hook("acquire", 3), hook("release", 2)}, {.ledger = 5}, {hook("owner", 2, 2)});
    CHECK(none.ledger == 0);
    CHECK(none.reports == 0);
    const auto some = count_missed({hook("acquire", 3), hook("release", 2), hook("operation", 4), hook("lifecycle", 1)},
                                   {.ledger = 4, .operations = 2}, {hook("owner", 2, 1), hook("owner", 1, 3)});
    CHECK(some.ledger == 2);
    CHECK(some.reports == 3);
}

TEST_CASE("losses: every cause is listed from the start, once", "[options]")
{
    const auto losses = list_losses({}, {});
    CHECK(losses.size() == PW_COUNTERS - 1 + 7);
    CHECK(ledger_losses(losses) == 0);
    KernelCounters counters{};
    counters.at(PW_LOST_PIN) = 3;
    counters.at(PW_LOST_OPERATION) = 5;
    CHECK(ledger_losses(list_losses(
              counters, {.undecodable = 1, .missed_runs = 0, .notifiers_left_out = 2, .subscriber_dropped = 7})) == 4);
}

TEST_CASE("options: TCP is served with all that it needs, or not at all", "[options]")
{
    CHECK(parse({})->tls.address.empty());
    CHECK_FALSE(api_sockets(*parse({})).tls);

    const std::vector<const char*> files{"--tls-certificate", "c.pem", "--tls-key", "c.key", "--tls-client-ca", "ca"};
    const auto with = [&](std::vector<const char*> more) {
        more.insert(more.end(), files.begin(), files.end());
        return parse(more);
    };
    const auto given = with({"--tls-address", "0.0.0.0:9878", "--tls-reader", "a", "--tls-reader", "spiffe://x/b",
                             "--tls-operator", "ops.example"});
    REQUIRE(given);
    const ApiSockets sockets = api_sockets(*given);
    REQUIRE(sockets.tls);
    CHECK(sockets.tls->address == "0.0.0.0:9878");
    CHECK(sockets.tls->files.certificate == "c.pem");
    CHECK(sockets.tls->files.key == "c.key");
    CHECK(sockets.tls->files.client_ca == "ca");
    CHECK(sockets.tls->roles ==
          CertificateRoles{{"a", Role::kReader}, {"spiffe://x/b", Role::kReader}, {"ops.example", Role::kOperator}});

    const auto complaint = [](const std::vector<const char*>& arguments) {
        auto line = parse_line(arguments);
        if (!line) {
            CHECK(line.error().status == 2);
            return line.error().text;
        }
        line->config = "/nonexistent/pinwarden.yaml";
        std::string text;
        for (const std::string& message : messages_of(load_configuration(*line).errors)) {
            text += message + "\n";
        }
        return text;
    };
    const auto also = [&](std::vector<const char*> more) {
        more.insert(more.end(), files.begin(), files.end());
        return more;
    };
    CHECK_THAT(complaint(also({"--tls-reader", "a"})), Catch::Contains("--tls-address: is missing"));
    CHECK_THAT(complaint(also({"--tls-address", "[::]:9878"})), Catch::Contains("nobody could call"));
    CHECK_THAT(complaint(also({"--tls-address", "h:1", "--tls-reader", "a", "--tls-operator", "a"})),
               Catch::Contains("a is given to --tls-operator as well"));
    CHECK_THAT(complaint(also({"--tls-address", "h:1", "--tls-reader", ""})), Catch::Contains("--tls-reader"));
    CHECK_THAT(complaint({"--tls-address", "h:1", "--tls-key", "k", "--tls-client-ca", "c", "--tls-reader", "a"}),
               Catch::Contains("--tls-certificate: is missing"));
    for (const char* const address : {"9878", "h:", ":9878", "h:0", "h:65536", "h:x", "::1:9878", ""}) {
        INFO(address);
        CHECK_THAT(complaint(also({"--tls-address", address, "--tls-reader", "a"})), Catch::Contains("--tls-address"));
    }
}
