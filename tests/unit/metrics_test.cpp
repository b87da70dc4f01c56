#include "publish/metrics.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>

#include "app/losses.h"
#include "base/fd.h"
#include "publish/config_hash.h"
#include "publish/metrics_server.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

struct Page {
    std::string text;
    std::map<std::string, std::string> samples;  // "name{labels}" → value
    std::map<std::string, std::string> types;
    std::map<std::string, int> series;  // by name
};

Page parse(const std::string& text)
{
    Page page;
    page.text = text;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) {
            const std::size_t space = line.rfind(' ');
            page.types[line.substr(7, space - 7)] = line.substr(space + 1);
        } else if (!line.starts_with('#')) {
            const std::size_t space = line.rfind(' ');
            const std::string key = line.substr(0, space);
            CHECK(page.samples.emplace(key, line.substr(space + 1)).second);
            ++page.series[key.substr(0, key.find('{'))];
        }
    }
    return page;
}

Page scrape(const prometheus::Collectable& collectable)
{
    return parse(prometheus::TextSerializer().Serialize(collectable.Collect()));
}

MetricsSnapshot some_numbers()
{
    MetricsSnapshot numbers;
    numbers.version = "0.1.0";
    numbers.kernel_release = "6.1.0";
    numbers.totals[{"rdma_rxe", Backing::kFile}] = {2, 8192};
    numbers.totals[{"nvidia", Backing::kMixed}] = {1, 4096};
    numbers.pins_acquired = {{"rdma_rxe", 5}, {"nvidia", 1}};
    numbers.pins_released = {{"rdma_rxe", 3}};
    numbers.pins_failed = {{{"vfio", ENOMEM}, 1}, {{"vfio", EINTR}, 2}, {{"vfio", ENOSPC}, 3}};
    numbers.conflicts[{"truncate", "rdma_rxe", "deny"}] = 4;
    numbers.operations = {{{"truncate", "deny"}, 3}, {{"umount", "would_hold"}, 2}, {{"madv_guard", "allow"}, 1}};
    numbers.pins_by_age = {3, 0, 1};
    numbers.pin_lifetimes.observe(2'000'000'000);
    numbers.adopted_pins = 7;
    numbers.cgroup_bytes = {{"/system.slice/a.service", 8192}};
    numbers.policy_decisions = {{"datasets", 4, 0}, {"trial", 0, 9}};
    numbers.reader_lag = 1'500'000;
    numbers.ring_used = 4096;
    numbers.ring_size = 65536;
    numbers.tables = {{"files", 3, 100}};
    numbers.subscribers = 2;
    numbers.subscriber_events_dropped = 11;
    numbers.kernel_pins = {100, 90};
    numbers.orphans["rdma_rxe"] = {.orphans = {3, 12288}, .leaks = {1, 4096}};
    numbers.oldest_orphan = 1'700'000'000'500'000'000;
    numbers.orphan_releases.observe(20'000'000);
    numbers.orphan_releases.observe(400'000'000'000);
    numbers.holds_in_flight = 2;
    numbers.holds_ended = {{"pins_gone", 3}, {"denied", 1}};
    numbers.signals = {{"sent", 5}, {"protected", 1}};
    numbers.revocations = {{"released", 2}, {"limited", 1}};
    numbers.revocation_releases.observe(40'000'000);
    numbers.revocation_releases.observe(6'000'000'000);
    numbers.policies_limited = 1;
    numbers.audit_log_left_out = 12;
    numbers.hold_durations.observe(10'000'000);
    numbers.hold_durations.observe(20'000'000'000);
    numbers.hold_durations.observe(3'600'100'000'000);
    numbers.losses = {{"ring_full_pin", 0, true}, {"path_cut", 2, false}};
    numbers.hooks = {{"pin_user_pages", "acquire", true, "", 1, true, true, 5, 2'000'000},
                     {"memfd_pin_folios", "acquire", false, "not there", 0, true, false}};
    numbers.unmatched_releases = 9;
    numbers.policies_active = 1;
    return numbers;
}

struct FixedConfig final : ConfigSource {
    [[nodiscard]] ConfigView config() const override { return view; }

    ConfigView view = {};
};

bool have_promtool()
{
    return std::system("command -v promtool >/dev/null 2>&1") == 0;  // NOLINT: a test, before it has threads
}

void check_with_promtool(const std::string& text)
{
    if (!have_promtool()) {
        WARN("promtool is not installed: the text was not linted");
        return;
    }
    const TemporaryFolder folder;
    std::ofstream(folder.file("metrics")) << text;
    const std::string command =
        "promtool check metrics <" + folder.file("metrics") + " >" + folder.file("lint") + " 2>&1";
    const int status = std::system(command.c_str());  // NOLINT: as above
    std::ifstream lint(folder.file("lint"));
    INFO(std::string(std::istreambuf_iterator<char>(lint), {}));
    CHECK(status == 0);
}

std::string http_get(const std::string& address, const std::string& path)
{
    const OwnedFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0);
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    REQUIRE(::send(fd.get(), request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
    std::string answer;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
        answer.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return answer;
}

}  // namespace

TEST_CASE("the numbers of the pipeline are on the page")
{
    FakePipeline pipeline;
    pipeline.numbers = some_numbers();
    pipeline.numbers.notifiers["mlx5_ib"] = {.ranges = 2, .on_demand_bytes = 65536, .spaces = 1};
    const Page page = scrape(*make_collectable(pipeline));

    const std::pair<const char*, const char*> expected[] = {
        {R"(pinwarden_pipeline_responding)", "1"},
        {R"(pinwarden_pinned_bytes{driver="rdma_rxe",backing="file"})", "8192"},
        {R"(pinwarden_pins{driver="rdma_rxe",backing="file"})", "2"},
        {R"(pinwarden_pins{driver="nvidia",backing="mixed"})", "1"},
        {R"(pinwarden_pins_acquired_total{driver="rdma_rxe"})", "5"},
        {R"(pinwarden_pins_released_total{driver="rdma_rxe"})", "3"},
        {R"(pinwarden_pins_failed_total{driver="vfio",errno="ENOMEM"})", "1"},
        {R"(pinwarden_pins_failed_total{driver="vfio",errno="EFAULT"})", "0"},
        {R"(pinwarden_pins_failed_total{driver="vfio",errno="other"})", "5"},
        {R"(pinwarden_conflicts_total{operation="truncate",verdict="deny",mode="enforce"})", "3"},
        {R"(pinwarden_conflicts_total{operation="truncate",verdict="deny",mode="monitor"})", "0"},
        {R"(pinwarden_conflicts_total{operation="umount",verdict="hold",mode="monitor"})", "2"},
        {R"(pinwarden_conflicts_total{operation="madvise",verdict="allow",mode="none"})", "1"},
        {R"(pinwarden_conflicts_by_driver_total{driver="rdma_rxe",verdict="deny",mode="enforce"})", "4"},
        {R"(pinwarden_policy_decisions_total{policy="datasets",mode="enforce"})", "4"},
        {R"(pinwarden_policy_decisions_total{policy="trial",mode="monitor"})", "9"},
        {R"(pinwarden_pins_by_age{age="1m"})", "3"},
        {R"(pinwarden_pins_by_age{age="1h"})", "1"},
        {R"(pinwarden_pins_by_age{age="older"})", "0"},
        {R"(pinwarden_pin_lifetime_seconds_bucket{le="1"})", "0"},
        {R"(pinwarden_pin_lifetime_seconds_bucket{le="10"})", "1"},
        {R"(pinwarden_adopted_pins)", "7"},
        {R"(pinwarden_cgroup_pinned_bytes{cgroup="/system.slice/a.service"})", "8192"},
        {R"(pinwarden_reader_lag_seconds)", "0.0015"},
        {R"(pinwarden_ring_used_bytes)", "4096"},
        {R"(pinwarden_ring_size_bytes)", "65536"},
        {R"(pinwarden_table_entries{table="files"})", "3"},
        {R"(pinwarden_table_max_entries{table="files"})", "100"},
        {R"(pinwarden_subscribers)", "2"},
        {R"(pinwarden_subscriber_events_dropped_total)", "11"},
        {R"(pinwarden_kernel_pins_acquired_total)", "100"},
        {R"(pinwarden_kernel_pins_released_total)", "90"},
        {R"(pinwarden_orphans{driver="rdma_rxe"})", "3"},
        {R"(pinwarden_orphaned_bytes{driver="rdma_rxe"})", "12288"},
        {R"(pinwarden_leaks{driver="rdma_rxe"})", "1"},
        {R"(pinwarden_leaks{driver="vfio"})", "0"},
        {R"(pinwarden_leaked_bytes{driver="rdma_rxe"})", "4096"},
        {R"(pinwarden_oldest_orphan_timestamp_seconds)", "1700000000.5"},
        {R"(pinwarden_orphan_release_seconds_count)", "2"},
        {R"(pinwarden_orphan_release_seconds_bucket{le="0.01"})", "0"},
        {R"(pinwarden_orphan_release_seconds_bucket{le="0.1"})", "1"},
        {R"(pinwarden_orphan_release_seconds_bucket{le="300"})", "1"},
        {R"(pinwarden_orphan_release_seconds_bucket{le="+Inf"})", "2"},
        {R"(pinwarden_holds)", "2"},
        {R"(pinwarden_holds_ended_total{outcome="pins_gone"})", "3"},
        {R"(pinwarden_holds_ended_total{outcome="denied"})", "1"},
        {R"(pinwarden_holds_ended_total{outcome="let_go_deny"})", "0"},
        {R"(pinwarden_hold_seconds_count)", "3"},
        {R"(pinwarden_hold_seconds_bucket{le="0.01"})", "1"},
        {R"(pinwarden_hold_seconds_bucket{le="10"})", "1"},
        {R"(pinwarden_hold_seconds_bucket{le="30"})", "2"},
        {R"(pinwarden_hold_seconds_bucket{le="3600"})", "2"},
        {R"(pinwarden_hold_seconds_bucket{le="+Inf"})", "3"},
        {R"(pinwarden_signals_total{outcome="sent"})", "5"},
        {R"(pinwarden_signals_total{outcome="protected"})", "1"},
        {R"(pinwarden_signals_total{outcome="inferred_owner"})", "0"},
        {R"(pinwarden_revocations_total{outcome="released"})", "2"},
        {R"(pinwarden_revocations_total{outcome="limited"})", "1"},
        {R"(pinwarden_revocations_total{outcome="too_many_owners"})", "0"},
        {R"(pinwarden_revocation_release_seconds_count)", "2"},
        {R"(pinwarden_revocation_release_seconds_bucket{le="0.1"})", "1"},
        {R"(pinwarden_revocation_release_seconds_bucket{le="10"})", "2"},
        {R"(pinwarden_audit_log_left_out_total)", "12"},
        {R"(pinwarden_policies{state="degraded"})", "1"},
        {R"(pinwarden_events_lost_total{cause="ring_full_pin"})", "0"},
        {R"(pinwarden_events_lost_total{cause="path_cut"})", "2"},
        {R"(pinwarden_hooks{purpose="acquire",state="attached"})", "1"},
        {R"(pinwarden_hooks{purpose="acquire",state="unavailable"})", "1"},
        {R"(pinwarden_hooks{purpose="release",state="failed"})", "0"},
        {R"(pinwarden_hook_missed_total{purpose="acquire"})", "1"},
        {R"(pinwarden_hook_runs_total{purpose="acquire"})", "5"},
        {R"(pinwarden_hook_run_seconds_total{purpose="acquire"})", "0.002"},
        {R"(pinwarden_notifiers{driver="mlx5_ib"})", "3"},
        {R"(pinwarden_notifiers{driver="kvm"})", "0"},
        {R"(pinwarden_on_demand_bytes{driver="mlx5_ib"})", "65536"},
        {R"(pinwarden_ledger_certain)", "1"},
        {R"(pinwarden_releases_unmatched_total)", "9"},
        {R"(pinwarden_policies{state="active"})", "1"},
        {R"(pinwarden_policies{state="pending"})", "0"},
        {R"(pinwarden_build_info{version="0.1.0",kernel="6.1.0"})", "1"},
    };
    for (const auto& [key, value] : expected) {
        INFO(key);
        REQUIRE(page.samples.contains(key));
        CHECK(page.samples.at(key) == value);
    }
    check_with_promtool(page.text);
}

TEST_CASE("a fresh daemon shows every metric, with zeros for what is known to come")
{
    FakePipeline pipeline;
    const Page page = scrape(*make_collectable(pipeline));

    for (const MetricInfo& metric : metric_catalogue()) {
        INFO(metric.name);
        REQUIRE(page.types.contains(std::string(metric.name)));
        CHECK_FALSE(metric.help.empty());
        CHECK_FALSE(metric.unit.empty());
        CHECK(page.types.at(std::string(metric.name)) == metric.type);
        CHECK(metric.name.ends_with("_total") == (metric.type == "counter"));
    }
    CHECK(page.samples.at(R"(pinwarden_pins{driver="io_uring",backing="file"})") == "0");
    CHECK(page.samples.at(R"(pinwarden_pins_acquired_total{driver="vfio"})") == "0");
    CHECK(page.samples.at(R"(pinwarden_conflicts_total{operation="truncate",verdict="deny",mode="enforce"})") == "0");
    CHECK(page.samples.at(R"(pinwarden_conflicts_total{operation="umount",verdict="hold",mode="monitor"})") == "0");
    CHECK(page.samples.at(R"(pinwarden_conflicts_by_driver_total{driver="vfio",verdict="deny",mode="enforce"})") ==
          "0");
    CHECK(page.series.at("pinwarden_holds_ended_total") == static_cast<int>(kHoldOutcomes.size()));
    // Every outcome that has a name.
    int outcomes = 0;
    for (; to_string(static_cast<ActOutcome>(outcomes)) != "unknown"; ++outcomes) {
        const std::string outcome(to_string(static_cast<ActOutcome>(outcomes)));
        CHECK(page.samples.at("pinwarden_signals_total{outcome=\"" + outcome + "\"}") == "0");
    }
    CHECK(page.series.at("pinwarden_signals_total") == outcomes);
    int ends = 0;
    for (; to_string(static_cast<RevocationEnd>(ends)) != "unknown"; ++ends) {
        const std::string end(to_string(static_cast<RevocationEnd>(ends)));
        CHECK(page.samples.at("pinwarden_revocations_total{outcome=\"" + end + "\"}") == "0");
    }
    CHECK(page.series.at("pinwarden_revocations_total") == ends);
    CHECK(page.samples.at(R"(pinwarden_conflicts_total{operation="munmap",verdict="allow",mode="none"})") == "0");
    CHECK_FALSE(
        page.samples.contains(R"(pinwarden_conflicts_total{operation="munmap",verdict="deny",mode="enforce"})"));
    check_with_promtool(page.text);
}

TEST_CASE("a gauge goes to zero when its last pin is gone")
{
    FakePipeline pipeline;
    pipeline.numbers = some_numbers();
    const auto collectable = make_collectable(pipeline);
    scrape(*collectable);
    pipeline.numbers.totals.clear();
    CHECK(scrape(*collectable).samples.at(R"(pinwarden_pinned_bytes{driver="nvidia",backing="mixed"})") == "0");
}

TEST_CASE("no number of drivers, policies, causes or cgroups makes too many series, and none is lost")
{
    FakePipeline pipeline;
    const FixedConfig config;
    const auto collectable = make_collectable(pipeline, &config);
    pipeline.numbers = some_numbers();
    pipeline.numbers.pins_acquired = {{"early", 1}};
    scrape(*collectable);
    constexpr int kMany = 200;
    // All that the daemon has, and fits in the bound of its metric.
    pipeline.numbers.losses = list_losses({}, {});
    pipeline.numbers.hooks.clear();
    pipeline.numbers.policy_decisions.clear();
    pipeline.numbers.tables = {{"files", 1, 1}, {"owners", 1, 1}, {"holds", 1, 1}};
    pipeline.numbers.cgroup_bytes.clear();
    for (std::size_t i = 0; i < kMaxCgroupLabels; ++i) {
        pipeline.numbers.cgroup_bytes.emplace_back("/jobs/" + std::to_string(i), 4096);
    }
    for (int i = 0; i < kMany; ++i) {
        const std::string number = std::to_string(i);
        const std::string driver = "a" + number;
        pipeline.numbers.pins_acquired[driver] = 1;
        pipeline.numbers.pins_released[driver] = 1;
        pipeline.numbers.orphans[driver].orphans.pins = 1;
        for (int error = 1; error < 134; ++error) {
            pipeline.numbers.pins_failed[{driver, error}] = 1;
        }
        pipeline.numbers.notifiers[driver].ranges = 1;
        for (const Backing backing :
             {Backing::kAnonymous, Backing::kFile, Backing::kShmem, Backing::kHugetlb, Backing::kMixed}) {
            pipeline.numbers.totals[{driver, backing}] = {1, 1};
        }
        pipeline.numbers.policy_decisions.push_back({"policy-" + number, 1, 1});
        pipeline.numbers.hooks.push_back({"hook-" + number, "acquire", i % 2 == 0, "", 1});
        for (const char* const verdict : {"allow", "deny", "would_deny", "hold", "would_hold", "signal", "would_signal",
                                          "notify", "would_notify"}) {
            pipeline.numbers.conflicts[{"truncate", driver, verdict}] = 1;
        }
    }
    const Page page = scrape(*collectable);

    int all = 0;
    for (const auto& [name, series] : page.series) {
        all += series;
    }
    CHECK(all <= static_cast<int>(kMaxSeries));
    std::size_t promised = 0;
    for (const MetricInfo& metric : metric_catalogue()) {
        INFO(metric.name);
        const auto series = [&](const std::string& suffix) {
            const auto found = page.series.find(std::string(metric.name) + suffix);
            return found == page.series.end() ? std::size_t{0} : static_cast<std::size_t>(found->second);
        };
        CHECK(series("") + series("_bucket") + series("_sum") + series("_count") <= metric.series);
        promised += metric.series;
    }
    CHECK(promised <= kMaxSeries);
    // A label once given stays, also when others would come before it by name.
    CHECK(page.samples.at(R"(pinwarden_pins_acquired_total{driver="early"})") == "1");
    int sum = 0;
    int decided = 0;
    for (const auto& [key, value] : page.samples) {
        sum += key.starts_with("pinwarden_pins_acquired_total") ? std::stoi(value) : 0;
        decided += key.starts_with("pinwarden_policy_decisions_total") ? std::stoi(value) : 0;
    }
    CHECK(sum == kMany + 1);
    CHECK(decided == 2 * kMany);
    check_with_promtool(page.text);
}

TEST_CASE("the configuration is told by its hash, and a refused reload")
{
    FakePipeline pipeline;
    FixedConfig config;
    config.view.options = {{.name = "leak_after", .in_force = {.values = {"30s"}, .origin = {}}}};
    const auto collectable = make_collectable(pipeline, &config);
    const Page before = scrape(*collectable);
    const std::string hash = config_hash(config.view);
    CHECK(before.samples.at("pinwarden_config_info{hash=\"" + hash + "\"}") == "1");
    CHECK(before.samples.at("pinwarden_config_last_reload_successful") == "1");
    CHECK(before.samples.at("pinwarden_config_last_reload_timestamp_seconds") == "0");
    // Where a value comes from makes no difference.
    config.view.options[0].in_force.origin = {.from = OptionOrigin::From::kFile, .file = "x.yaml", .line = 1};
    CHECK(config_hash(config.view) == hash);
    config.view.options[0].in_force.values = {"31s"};
    CHECK(config_hash(config.view) != hash);
    config.view.last_reload = ReloadView{.time = 1'700'000'000'000'000'000, .applied = false};
    const Page after = scrape(*collectable);
    CHECK(after.samples.at("pinwarden_config_last_reload_successful") == "0");
    CHECK(after.samples.at("pinwarden_config_last_reload_timestamp_seconds") == "1700000000");
}

TEST_CASE("a pipeline that does not answer is visible")
{
    FakePipeline pipeline;
    pipeline.fails = Error{"too slow", ETIMEDOUT};
    const Page page = scrape(*make_collectable(pipeline));
    CHECK(page.samples.at("pinwarden_pipeline_responding") == "0");
    for (const auto& [key, value] : page.samples) {
        CHECK((key == "pinwarden_pipeline_responding" || key.starts_with("process_")));
    }
}

TEST_CASE("docs/metrics.md has the catalogue as it is")
{
    const std::string path = PINWARDEN_SOURCE_DIR "/docs/metrics.md";
    std::ifstream file(path);
    std::string text(std::istreambuf_iterator<char>(file), {});
    const std::size_t begin = text.find("| metric | type |");
    const std::size_t end = text.find("\n\n", begin);
    REQUIRE(end != std::string::npos);
    const std::string now = metric_table_markdown();
    if (std::getenv("PINWARDEN_ACCEPT_GOLDEN") != nullptr) {  // NOLINT: a test, before it has threads
        std::ofstream(path) << text.replace(begin, end + 1 - begin, now);
        return;
    }
    CHECK(text.substr(begin, end + 1 - begin) == now);
}

TEST_CASE("what dashboards and rules are checked against is the catalogue")
{
    const std::string path = PINWARDEN_SOURCE_DIR "/tests/dashboards/catalogue.txt";
    std::ifstream file(path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    std::string now = text.substr(0, text.find('\n') + 1);
    for (const MetricInfo& metric : metric_catalogue()) {
        now += std::string(metric.name) + " " + std::string(metric.type);
        for (const std::string_view label : metric.labels) {
            now += " " + std::string(label);
        }
        now += "\n";
    }
    if (std::getenv("PINWARDEN_ACCEPT_GOLDEN") != nullptr) {  // NOLINT: a test, before it has threads
        std::ofstream(path) << now;
        return;
    }
    CHECK(text == now);
}

TEST_CASE("metrics are served over HTTP", "[http]")
{
    FakePipeline pipeline;
    pipeline.numbers = some_numbers();
    const auto server = MetricsServer::start("127.0.0.1:0", pipeline);
    REQUIRE(server);
    const std::string answer = http_get((*server)->address(), "/metrics");
    CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 200"));
    const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
    CHECK(parse(body).samples.at("pinwarden_ledger_certain") == "1");
    check_with_promtool(body);

    const auto second = MetricsServer::start((*server)->address(), pipeline);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EADDRINUSE);
    CHECK_THAT(second.error().message, Catch::Contains("is already in use") && Catch::Contains("--metrics-address"));
}

TEST_CASE("a metrics address that is none is refused with the reason")
{
    FakePipeline pipeline;
    const std::pair<const char*, const char*> rows[] = {
        {"", "has no port"},
        {"127.0.0.1", "has no port"},
        {"127.0.0.1:", "is not a port"},
        {"127.0.0.1:http", "is not a port"},
        {"127.0.0.1:70000", "is not a port"},
        {"127.0.0.1:9877,9878", "is not a port"},
        {"example.org:9877", "is not an IP address"},
        {"::1:9877", "is not an IP address"},
        {":9877", "is not an IP address"},
        {"192.0.2.1:9877", "Cannot assign requested address"},
    };
    for (const auto& [address, reason] : rows) {
        const auto server = MetricsServer::start(address, pipeline);
        INFO(address);
        REQUIRE_FALSE(server);
        CHECK_THAT(server.error().message, Catch::Contains(reason) && Catch::Contains("--metrics-address"));
    }
}
