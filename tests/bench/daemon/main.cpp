// What the daemon itself costs and how long it takes: see performance.head.md. Runs as root in a guest with 6 GiB;
// writes JSON for report.py. In a guest with --icount, `--only idle --only load` gives processor time that repeats:
// there an instruction takes a nanosecond.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <exception>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/clock.h"
#include "daemon/figures.h"
#include "daemon/huge_pages.h"
#include "daemon/usage.h"
#include "hooks/listened.h"
#include "support/daemon.h"

namespace pinwarden::bench {
namespace {

constexpr std::size_t kStarts = 5;
// Long enough to see what is done once a minute.
constexpr std::int64_t kIdleSeconds = 65;
constexpr std::int64_t kLoadSeconds = 10;
constexpr std::size_t kExtents = std::size_t{1} << 20U;
constexpr std::size_t kTurns = 50;
// For what a start, or a part before, leaves to be done.
constexpr std::int64_t kSettle = 3 * kSecond;
// The daemon looks once a minute what it can give back.
constexpr std::chrono::seconds kUntilGivenBack{150};
// While nothing is pinned the daemon stops listening to releases half a minute after the start, once.
constexpr std::chrono::seconds kUntilQuiet{120};
const std::string kLoad = "pinwarden_daemon_load";

double seconds(std::int64_t nanoseconds)
{
    return static_cast<double>(nanoseconds) / static_cast<double>(kSecond);
}

void tell(const std::string& what)
{
    fmt::print(stderr, "{}\n", what);
}

std::unique_ptr<test::Daemon> started(std::vector<double>& took)
{
    const std::int64_t begin = now();
    auto daemon = std::make_unique<test::Daemon>();
    // It is ready when all is attached that is to be without policies; then this is answered.
    if (!daemon->api().status().ledger_certain()) {
        throw std::runtime_error("the ledger is uncertain from the start");
    }
    took.push_back(seconds(now() - begin));
    tell(fmt::format("started in {:.3f} s", took.back()));
    return daemon;
}

std::uint64_t lost()
{
    return static_cast<std::uint64_t>(test::Daemon::metrics().sum("pinwarden_events_lost_total"));
}

std::uint64_t seen()
{
    const test::Metrics metrics = test::Daemon::metrics();
    return static_cast<std::uint64_t>(metrics.sum("pinwarden_pins_acquired_total") +
                                      metrics.sum("pinwarden_pins_released_total"));
}

std::int64_t guardians_time(const test::Daemon& daemon)
{
    std::int64_t all = 0;
    for (const pid_t child : children(daemon.pid())) {
        all += processor_time(child);
    }
    return all;
}

// As the kernel tells: the daemon says so as soon as it begins to take its programs away.
bool listens_to_single_pages()
{
    return std::ranges::any_of(listened(), [](const Listened& one) {
        return one.function.starts_with("unpin_") && one.function != "unpin_user_pages";
    });
}

Idle measure_idle(const test::Daemon& daemon)
{
    test::eventually("nobody listens to single pages", [] { return !listens_to_single_pages(); }, kUntilQuiet);
    const std::int64_t begin = now();
    const std::int64_t before = processor_time(daemon.pid());
    const std::int64_t guardian_before = guardians_time(daemon);
    const auto threads_before = thread_times(daemon.pid());
    sleep_for(kIdleSeconds * kSecond);
    const std::int64_t used = processor_time(daemon.pid()) - before;
    const std::int64_t guardian = guardians_time(daemon) - guardian_before;
    const auto threads = thread_times(daemon.pid());
    Idle idle;
    idle.seconds = seconds(now() - begin);
    idle.share = seconds(used) / idle.seconds;
    idle.guardian_share = seconds(guardian) / idle.seconds;
    for (auto [id, thread] : threads) {
        const auto earlier = threads_before.find(id);
        thread.nanoseconds -= earlier == threads_before.end() ? 0 : earlier->second.nanoseconds;
        if (thread.nanoseconds > 0) {
            idle.threads.push_back(thread);
        }
    }
    tell(fmt::format("idle: {:.4f} % of a processor", idle.share * 100));
    return idle;
}

Load measure_load(test::Daemon& daemon, std::uint64_t rate)
{
    test::Process process({kLoad, "pace", std::to_string(rate), std::to_string(kLoadSeconds)});
    process.read_line();
    const std::uint64_t lost_before = lost();
    const std::uint64_t seen_before = seen();
    sleep_for(kSettle);
    const std::int64_t used_before = processor_time(daemon.pid());
    process.write_line("go");
    std::istringstream line(process.read_line());
    const std::int64_t end = now();
    Load load;
    load.wanted = rate;
    // The daemon reads all that there is before it answers.
    test::eventually("nothing is pinned", [&] { return daemon.api().status().pins() == 0; });
    load.behind = seconds(now() - end);
    const std::int64_t used = processor_time(daemon.pid()) - used_before;
    std::int64_t nanoseconds = 0;
    line >> load.events >> nanoseconds;
    process.close_input();
    process.wait();
    load.reached = static_cast<double>(load.events) / seconds(nanoseconds);
    load.share = seconds(used) / seconds(nanoseconds);
    load.nanoseconds = static_cast<double>(used) / static_cast<double>(load.events);
    load.seen = seen() - seen_before;
    load.lost = lost() - lost_before;
    tell(fmt::format("{} events a second: {:.0f} reached, {:.1f} % of a processor, {} lost", rate, load.reached,
                     load.share * 100, load.lost));
    return load;
}

// The rates that are promised, and, should the machine be too slow for one of them, the highest below it at which
// nothing is lost.
std::vector<Load> measure_loads(test::Daemon& daemon)
{
    constexpr std::uint64_t kStep = 1000;
    std::vector<Load> loads{measure_load(daemon, 10'000), measure_load(daemon, 100'000)};
    while (loads.back().lost > 0 && loads.back().reached > 2 * kStep) {
        // What was lost is made good first.
        test::eventually("the ledger is certain", [&] { return daemon.api().status().ledger_certain(); });
        const double slower = std::min(loads.back().reached, static_cast<double>(loads.back().wanted)) * 0.8;
        loads.push_back(measure_load(daemon, static_cast<std::uint64_t>(slower) / kStep * kStep));
    }
    return loads;
}

void fill_memory(test::Daemon& daemon, Resident& memory)
{
    test::Process process({kLoad, "keep", std::to_string(kExtents)});
    memory.extents = std::stoull(process.read_line(test::kStart));
    if (daemon.api().status().pinned_bytes() / 4096 < kExtents) {
        throw std::runtime_error("the daemon does not know of all that is pinned");
    }
    memory.full = memory_use(daemon.pid());
    process.write_line("enough");
    process.wait();
    test::eventually("nothing is pinned", [&] { return daemon.api().status().pins() == 0; });
    const std::uint64_t half = (memory.empty.resident + memory.full->resident) / 2;
    test::eventually("memory is given back", [&] { return memory_use(daemon.pid()).resident < half; }, kUntilGivenBack);
    wait_for_khugepaged();
    memory.after = memory_use(daemon.pid());
    tell(fmt::format("{} extents: {} KiB resident", memory.extents, memory.full->resident / 1024));
}

Resident measure_empty(const test::Daemon& daemon)
{
    wait_for_khugepaged();
    Resident memory;
    memory.empty = memory_use(daemon.pid());
    for (const pid_t child : children(daemon.pid())) {
        memory.guardian = memory_use(child);
    }
    tell(fmt::format("empty: {} KiB resident", memory.empty.resident / 1024));
    return memory;
}

Spread measure_hold(test::Daemon& daemon, const std::string& job, const test::PolicyText& policy)
{
    const test::AppliedPolicy applied(daemon.api(), policy);
    const test::Outcome measured = test::run({kLoad, job, std::to_string(kTurns)});
    if (measured.status != 0) {
        throw std::runtime_error(measured.err);
    }
    std::istringstream lines(measured.out);
    std::vector<double> waited;
    for (std::int64_t nanoseconds = 0; lines >> nanoseconds;) {
        waited.push_back(seconds(nanoseconds));
    }
    if (applied.status().held() < waited.size()) {
        throw std::runtime_error(
            fmt::format("{} truncates were to be held, {} were", waited.size(), applied.status().held()));
    }
    const Spread spread = spread_of(waited);
    tell(fmt::format("{}: {:.3f} ms, {} of {} held", job, spread.median * 1000, spread.count, kTurns));
    return spread;
}

Figures measure(const std::set<std::string>& parts)
{
    const auto wanted = [&](const std::string& part) { return parts.empty() || parts.contains(part); };
    Figures figures;
    std::vector<double> starts;
    auto daemon = started(starts);
    while (wanted("start") && starts.size() < kStarts) {
        daemon->stop();
        daemon = started(starts);
    }
    figures.start = spread_of(starts);
    figures.memory = measure_empty(*daemon);
    if (wanted("idle")) {
        figures.idle = measure_idle(*daemon);
    }
    if (wanted("load")) {
        figures.loads = measure_loads(*daemon);
    }
    if (wanted("hold")) {
        figures.gone = measure_hold(*daemon, "gone", {.action = "hold: {timeout: 1m}"});
        figures.resolved = measure_hold(*daemon, "resolved", {.match = "pin: {drivers: [vfio]}", .unresolved = "hold"});
    }
    if (wanted("memory")) {
        fill_memory(*daemon, *figures.memory);
    }
    figures.lost = lost();
    figures.certain = daemon->api().status().ledger_certain();
    daemon->stop();
    return figures;
}

void write(const std::string& text, const std::string& out)
{
    std::ofstream file(out);
    file << text;
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + out);
    }
}

}  // namespace
}  // namespace pinwarden::bench

int main(int argc, char** argv)
try {
    CLI::App app("Measures the daemon. Needs: root in a guest with 6 GiB, ./dev vm KERNEL --mem 6G");
    std::string out;
    std::set<std::string> parts;
    app.add_option("out", out, "where to write the figures as JSON")->required();
    app.add_option("--only", parts, "start, idle, load, hold or memory; all by default")
        ->check(CLI::IsMember({"start", "idle", "load", "hold", "memory"}));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
    pinwarden::bench::write(json(pinwarden::bench::measure(parts)), out);
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "pinwarden_daemon_bench: {}\n", error.what());
    return 1;
}
