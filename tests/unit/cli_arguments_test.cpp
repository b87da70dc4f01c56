#include "cli/arguments.h"

#include <catch2/catch.hpp>

using namespace pinwarden;
using namespace pinwarden::cli;

namespace {

Arguments good(std::vector<std::string> arguments, const std::string& environment = "")
{
    auto parsed = parse_arguments(std::move(arguments), environment);
    if (const auto* early = std::get_if<Early>(&parsed)) {
        FAIL(early->text);
    }
    return std::get<Arguments>(std::move(parsed));
}

Early early(std::vector<std::string> arguments)
{
    auto parsed = parse_arguments(std::move(arguments), "");
    REQUIRE(std::holds_alternative<Early>(parsed));
    return std::get<Early>(std::move(parsed));
}

}  // namespace

TEST_CASE("the socket comes from the option, the environment, or the default")
{
    CHECK(good({"status"}).socket == "/run/pinwarden/operator.sock");
    CHECK(good({"status"}, "/e").socket == "/e");
    CHECK(good({"--socket", "/o", "status"}, "/e").socket == "/o");
    CHECK(good({"status", "--socket", "/o", "--json"}).socket == "/o");
    CHECK(good({"status", "--json"}).json);
}

TEST_CASE("lines fit the terminal unless they are to be whole, before and after the command")
{
    CHECK_FALSE(good({"pins"}).wide);
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"-w", "pins"}, {"pins", "-w"}, {"pins", "--wide"}, {"policy", "list", "--wide"}}) {
        CHECK(good(words).wide);
    }
    CHECK_FALSE(std::get<TopCommand>(good({"top"}).command).once);
    CHECK(std::get<TopCommand>(good({"top", "--once"}).command).once);
}

TEST_CASE("TCP comes from the options or the environment, whole or not at all")
{
    const auto parse = [](std::vector<std::string> words, const TlsArguments& environment) {
        words.emplace_back("status");
        return parse_arguments(std::move(words), "", environment);
    };
    const TlsArguments all{.address = "host:1", .ca = "ca", .certificate = "mine", .key = "key"};
    CHECK(good({"status"}).tls.address.empty());

    const auto given =
        good({"--address", "host:9878", "--tls-ca", "a", "--tls-certificate", "c", "--tls-key", "k", "status"});
    CHECK(given.tls.address == "host:9878");
    CHECK(given.tls.ca == "a");
    CHECK(given.tls.certificate == "c");
    CHECK(given.tls.key == "k");
    const auto from_environment = std::get<Arguments>(parse({"--tls-key", "other"}, all));
    CHECK(from_environment.tls.address == "host:1");
    CHECK(from_environment.tls.key == "other");
    CHECK(std::get<Arguments>(parse({"--socket", "/o"}, all)).tls.address.empty());

    const auto complaint = [&](const std::vector<std::string>& words, const TlsArguments& environment) {
        const Early wrong = std::get<Early>(parse(words, environment));
        CHECK(wrong.exit_code == 2);
        return wrong.text;
    };
    CHECK_THAT(complaint({"--address", "host:1"}, {}), Catch::Contains("--tls-ca is missing"));
    CHECK_THAT(complaint({"--address", "host:1", "--tls-ca", "a", "--tls-certificate", "c"}, {}),
               Catch::Contains("--tls-key is missing"));
    CHECK_THAT(complaint({"--tls-ca", "a"}, {}), Catch::Contains("--address is missing"));
    CHECK_THAT(complaint({"--address", "host:1", "--socket", "/o"}, all), Catch::Contains("--address"));
}

TEST_CASE("commands are read with their options")
{
    const auto pins =
        std::get<PinsCommand>(good({"pins", "--pid", "7", "--driver", "vfio", "--min", "2MiB", "--stack"}).command);
    REQUIRE(pins.filter.pids_size() == 1);
    CHECK(pins.filter.pids(0) == 7);
    REQUIRE(pins.filter.drivers_size() == 1);
    CHECK(pins.filter.drivers(0) == "vfio");
    CHECK(pins.filter.min_bytes() == 2U << 20U);
    CHECK(pins.stack);

    const auto watch = std::get<WatchCommand>(good({"watch", "--kind", "pin,verdict", "--count", "3"}).command);
    CHECK(watch.kinds == std::vector{Kind::kPin, Kind::kVerdict});
    CHECK(watch.count == 3);

    CHECK(std::get<PinsCommand>(good({"pins", "--orphans"}).command).filter.orphans());
    CHECK(std::get<FailuresCommand>(good({"failures", "--stack"}).command).stack);
    CHECK(std::get<WatchCommand>(good({"watch", "--kind", "failure"}).command).kinds == std::vector{Kind::kFailure});

    const auto apply = std::get<PolicyApplyCommand>(good({"policy", "apply", "a", "-", "--validate-only"}).command);
    CHECK(apply.files == std::vector<std::string>{"a", "-"});
    CHECK(apply.validate_only);

    CHECK(std::holds_alternative<PolicyListCommand>(good({"policy", "list"}).command));
    CHECK(std::get<PolicyDeleteCommand>(good({"policy", "delete", "keep"}).command).name == "keep");
    CHECK_FALSE(apply.if_generation);
    CHECK(std::get<PolicyApplyCommand>(good({"policy", "apply", "a", "--if-generation", "7"}).command).if_generation ==
          7U);
    CHECK(std::get<PolicyDeleteCommand>(good({"policy", "delete", "keep", "--if-generation", "0"}).command)
              .if_generation == 0U);
    CHECK(std::get<PolicyModeCommand>(good({"policy", "mode", "keep", "off", "--if-generation", "7"}).command)
              .if_generation == 7U);
    CHECK(std::holds_alternative<StatusCommand>(good({"status"}).command));
}

TEST_CASE("holds are shown, or one is released with how it ends")
{
    CHECK(std::holds_alternative<HoldsCommand>(good({"holds"}).command));
    CHECK(good({"holds", "--json"}).json);
    const auto allowed = std::get<HoldReleaseCommand>(good({"holds", "release", "7", "--allow"}).command);
    CHECK(allowed.id == 7);
    CHECK(allowed.allow);
    const auto denied = std::get<HoldReleaseCommand>(good({"holds", "release", "--deny", "8"}).command);
    CHECK(denied.id == 8);
    CHECK_FALSE(denied.allow);
    CHECK(std::get<WatchCommand>(good({"watch", "--kind", "hold"}).command).kinds == std::vector{Kind::kHold});
    CHECK(std::get<WatchCommand>(good({"watch", "--kind", "signal,revocation"}).command).kinds ==
          std::vector{Kind::kSignal, Kind::kRevocation});
}

TEST_CASE("which pins is said in the same way to all that show pins")
{
    const std::vector<std::string> options{"-p",       "7,8",         "--uid",    "0",        "--comm",   "trainer",
                                           "--driver", "vfio",        "--driver", "io_uring", "--cgroup", "/jobs",
                                           "--file",   "/mnt/./a",    "--inode",  "8:17:42",  "--older",  "90s",
                                           "--symbol", "ib_umem_get", "--min",    "1MiB",     "--leaked"};
    const auto with = [&](std::string command) {
        std::vector<std::string> all{std::move(command)};
        all.insert(all.end(), options.begin(), options.end());
        return good(all).command;
    };
    const v1::PinFilter filter = std::get<PinsCommand>(with("pins")).filter;
    CHECK(filter.ShortDebugString() ==
          "pids: 7 pids: 8 comms: \"trainer\" uids: 0 drivers: \"vfio\" drivers: \"io_uring\" cgroups: \"/jobs\" "
          "path_prefixes: \"/mnt/a\" inodes: \"8:17/42\" symbol: \"ib_umem_get\" min_bytes: 1048576 min_age { seconds: "
          "90 } leaks: true");
    CHECK(std::get<LeaksCommand>(with("leaks")).filter.ShortDebugString() == filter.ShortDebugString());
    CHECK(std::get<WatchCommand>(with("watch")).filter.ShortDebugString() == filter.ShortDebugString());
}

TEST_CASE("pins and leaks are ordered, added up and repeated")
{
    const auto pins = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "pins");
        return std::get<PinsCommand>(good(std::move(arguments)).command);
    };
    CHECK(pins({"--order", "largest"}).order == v1::PIN_ORDER_LARGEST);
    CHECK(pins({"--by", "cgroup"}).by == v1::PIN_GROUPING_CGROUP);
    CHECK(pins({"--limit", "5"}).limit == 5);
    CHECK(pins({"--id", "5"}).id == 5);
    CHECK_FALSE(pins({}).again);
    CHECK(pins({"--watch", "2"}).again == 2'000'000'000U);
    CHECK(pins({"--watch", "500ms"}).again == 500'000'000U);

    const auto leaks = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "leaks");
        return std::get<LeaksCommand>(good(std::move(arguments)).command);
    };
    CHECK(leaks({}).by == v1::PIN_GROUPING_STACK);
    CHECK(leaks({}).top == 10);
    CHECK(leaks({"-T", "3", "--by", "pid", "--sort", "age"}).by == v1::PIN_GROUPING_OWNER);
    CHECK(leaks({"--sort", "count"}).order == v1::PIN_GROUP_ORDER_PINS);
    CHECK(leaks({"--folded"}).folded);
    CHECK(leaks({"5", "3"}).again == 5'000'000'000U);
    CHECK(leaks({"5", "3"}).count == 3);
    CHECK(leaks({"5"}).count == 0);
}

TEST_CASE("notifiers take no options")
{
    CHECK(std::holds_alternative<NotifiersCommand>(good({"notifiers"}).command));
}

TEST_CASE("help and version end well")
{
    CHECK(early({"--version"}).text == "pinctl 0.1.0\n");
    const std::pair<std::vector<std::string>, const char*> rows[] = {
        {{"--help"}, "watch"},
        {{"status", "--help"}, "status"},
        {{"pins", "--help"}, "--min SIZE"},
        {{"watch", "-h"}, "--kind KIND"},
        {{"holds", "--help"}, "release"},
        {{"holds", "release", "--help"}, "--allow"},
        {{"policy", "--help"}, "apply"},
        {{"policy", "apply", "--help"}, "--validate-only"},
    };
    for (const auto& [arguments, expected] : rows) {
        const Early help = early(arguments);
        CHECK(help.exit_code == 0);
        CHECK_THAT(help.text, Catch::Contains(expected));
    }
}

TEST_CASE("wrong usage is status 2 with one message")
{
    const std::pair<std::vector<std::string>, const char*> rows[] = {
        {{}, "give a command"},
        {{"frobnicate"}, "frobnicate"},
        {{"status", "extra"}, "extra"},
        {{"--frobnicate", "status"}, "--frobnicate"},
        {{"pins", "--pid", "0"}, "--pid"},
        {{"pins", "--pid", "many"}, "--pid"},
        {{"pins", "--min", "big"}, "is not a size"},
        {{"pins", "--older", "old"}, "is not a duration"},
        {{"pins", "--inode", "8:17"}, "write DEVICE:INODE as `pinctl pins` shows it, such as 8:1:4711"},
        {{"pins", "--by", "colour"}, "is none of these: cgroup, comm, container, driver, file, pid, stack, uid"},
        {{"pins", "--by", "pid", "--order", "oldest"}, "--order"},
        {{"pins", "--watch", "10ms"}, "100ms at least"},
        {{"pins", "--id", "0"}, "--id"},
        {{"leaks", "-T", "0"}, "--top"},
        {{"leaks", "--folded", "--by", "pid"}, "--by"},
        {{"leaks", "soon"}, "is not an interval"},
        {{"leaks", "5", "0"}, "COUNT"},
        {{"watch", "--kind", "pins"},
         "is not a kind; choose from pin, release, conflict, verdict, failure, orphan, leak, "
         "hold, signal, revocation"},
        {{"watch", "--count", "0"}, "--count"},
        {{"holds", "show"}, "show"},
        {{"holds", "release"}, "ID"},
        {{"holds", "release", "--allow"}, "ID"},
        {{"holds", "release", "7"}, "--allow or --deny"},
        {{"holds", "release", "7", "--allow", "--deny"}, "--deny"},
        {{"holds", "release", "0", "--deny"}, "ID"},
        {{"holds", "release", "seven", "--deny"}, "ID"},
        {{"holds", "release", "7", "8", "--deny"}, "8"},
        {{"policy"}, "apply, list, mode, test or delete"},
        {{"policy", "show"}, "show"},
        {{"policy", "apply"}, "FILE"},
        {{"policy", "delete"}, "NAME"},
    };
    for (const auto& [arguments, expected] : rows) {
        const Early wrong = early(arguments);
        CHECK(wrong.exit_code == 2);
        CHECK_THAT(wrong.text, Catch::StartsWith("pinctl: ") && Catch::Contains(expected) &&
                                   Catch::EndsWith("Run `pinctl --help` for what is possible.\n"));
    }
}

TEST_CASE("sizes")
{
    CHECK(parse_size("0") == 0);
    CHECK(parse_size("4096") == 4096);
    CHECK(parse_size("64K") == 65536);
    CHECK(parse_size("64KiB") == 65536);
    CHECK(parse_size("1MiB") == 1048576);
    CHECK(parse_size("16777215TiB") == 16777215ULL << 40U);
    for (const char* const bad :
         {"", "-1", "MiB", "1 MiB", "1MB", "1.5MiB", "16777216TiB", "99999999999999999999", "1x"}) {
        INFO(bad);
        CHECK_FALSE(parse_size(bad));
    }
}

TEST_CASE("audit-log is read with its options")
{
    const auto command = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "audit-log");
        return std::get<AuditLogCommand>(good(std::move(arguments)).command);
    };
    const auto all = command({});
    CHECK_FALSE(all.follow);
    CHECK(all.last == 0);
    CHECK_FALSE(all.since);
    const auto some = command({"--last", "5", "--since", "2h", "--policy", "keep"});
    CHECK(some.last == 5);
    CHECK(some.since == 7'200'000'000'000U);
    CHECK(some.policy == "keep");
    // Who only follows sees a little of what was before.
    CHECK(command({"--follow"}).last == 10);
    CHECK(command({"--follow", "--last", "3"}).last == 3);
    CHECK(command({"--follow", "--since", "1d"}).last == 0);
    for (const std::string wrong : {"", "5", "x", "-1s", "5 s", "1y", "99999999999d"}) {
        CHECK_THAT(early({"audit-log", "--since", wrong}).text, Catch::Contains("is not a duration"));
    }
    CHECK(early({"audit-log", "--last", "0"}).exit_code == 2);
    CHECK(parse_duration("500ms") == 500'000'000U);
}

TEST_CASE("conflicts are read with their filters")
{
    const auto plain = std::get<ConflictsCommand>(good({"conflicts"}).command);
    CHECK(plain.last == 20);
    CHECK(plain.file.empty());
    const auto some = std::get<ConflictsCommand>(good({"conflicts", "--last", "3", "--file", "/mnt", "--verdict",
                                                       "deny,would_hold", "--policy", "keep", "--pid", "812"})
                                                     .command);
    CHECK(some.last == 3);
    CHECK(some.file == "/mnt");
    CHECK(some.verdicts == std::vector<std::string>{"deny", "would_hold"});
    CHECK(some.policy == "keep");
    CHECK(some.pid == 812);
    CHECK_THAT(early({"conflicts", "--verdict", "maybe"}).text, Catch::Contains("would_hold"));
    CHECK(early({"conflicts", "--last", "0"}).exit_code == 2);
}

TEST_CASE("doctor takes nothing, explain what it is about")
{
    CHECK(std::holds_alternative<DoctorCommand>(good({"doctor"}).command));
    CHECK(good({"doctor", "--json"}).json);
    CHECK(std::get<ExplainCommand>(good({"explain", "/mnt/x"}).command).subject == "/mnt/x");
    CHECK(std::get<ExplainCommand>(good({"explain", "8:1:12"}).command).subject == "8:1:12");
    CHECK_THAT(early({"explain"}).text, Catch::Contains("SUBJECT"));
    CHECK_THAT(early({"explain", ""}).text, Catch::Contains("must be given"));
    CHECK(early({"doctor", "me"}).exit_code == 2);
}

TEST_CASE("support is told where to write, and what else to take")
{
    const auto plain = std::get<SupportCommand>(good({"support"}).command);
    CHECK(plain.output.empty());
    CHECK(plain.metrics_address == "127.0.0.1:9877");
    CHECK(std::get<SupportCommand>(good({"support", "--output", "/tmp/x.tar.gz"}).command).output == "/tmp/x.tar.gz");
    CHECK_THAT(early({"support", "--log", "/no/such/log"}).text, Catch::Contains("/no/such/log"));
}
