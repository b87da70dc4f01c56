// What hooks cost: every operation without anything, with empty programs, with pinwardend, and with a script that does
// what a script can. Runs as root in `./dev vm KERNEL --icount`; writes JSON for report.py.
#include <fmt/format.h>
#include <sys/utsname.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "hooks/cost.h"
#include "hooks/empty_programs.h"
#include "hooks/listened.h"
#include "support/daemon.h"
#include "support/machine.h"

namespace pinwarden::bench {
namespace {

struct Row {
    std::string unit;
    std::map<std::string, Cost> costs;  // by configuration
};

class Bench {
public:
    // Each time in a process of its own: threads and pins of this one would change what operations cost.
    void measure(const std::string& configuration, bool denied = false)
    {
        const test::Outcome measured = test::run({"pinwarden_hook_costs", denied ? "--denied" : ""});
        if (measured.status != 0) {
            throw std::runtime_error(measured.err);
        }
        std::istringstream lines(measured.out);
        std::string name;
        Row row;
        Cost cost;
        while (std::getline(lines, name, '\t') && std::getline(lines, row.unit, '\t') &&
               lines >> cost.caller >> cost.everything >> std::ws) {
            fmt::print(stderr, "{:<10} {:<52} {:>10.1f} {:>10.1f}\n", configuration, name, cost.caller,
                       cost.everything);
            if (!rows_.contains(name)) {
                order_.push_back(name);
                rows_[name] = row;
            }
            rows_[name].costs[configuration] = cost;
        }
    }

    [[nodiscard]] std::string json() const
    {
        utsname kernel{};
        uname(&kernel);
        std::string text = fmt::format("{{\n  \"kernel\": \"{}\",\n  \"operations\": [", kernel.release);
        std::string between;
        for (const std::string& name : order_) {
            const Row& row = rows_.at(name);
            text += fmt::format("{}\n    {{\"name\": \"{}\", \"unit\": \"{}\", \"costs\": {{", between, name, row.unit);
            between = ",";
            std::string separator;
            for (const auto& [configuration, cost] : row.costs) {
                text += fmt::format("{}\n      \"{}\": {{\"caller\": {:.1f}, \"everything\": {:.1f}}}", separator,
                                    configuration, cost.caller, cost.everything);
                separator = ",";
            }
            text += "}}";
        }
        return text + "\n  ]\n}\n";
    }

private:
    std::vector<std::string> order_;
    std::map<std::string, Row> rows_;
};

void expect_nothing_lost()
{
    if (const double lost = test::Daemon::metrics().sum("pinwarden_events_lost_total"); lost != 0) {
        throw std::runtime_error(
            fmt::format("the daemon lost {} events: the figures are not what they should be", lost));
    }
}

bool listens_to_pages(test::Daemon& daemon)
{
    const auto status = daemon.api().status();
    return std::ranges::any_of(
        status.hooks(), [](const v1::Hook& hook) { return hook.name() == "unpin_user_page" && hook.attached(); });
}

// While a pin is there that no object follows.
void while_listening(Bench& bench)
{
    test::Daemon daemon({"--quiet-after", "0s"});
    daemon.followed("", "rdma regions");
    daemon.followed("", "vfio mappings");
    bench.measure("listening");
    expect_nothing_lost();
    daemon.stop();
}

void with_daemon(Bench& bench, bool all)
{
    test::Daemon daemon({"--quiet-after", "1ms"});
    daemon.followed("", "rdma regions");
    daemon.followed("", "vfio mappings");
    test::eventually("every pin is followed", [&] { return !listens_to_pages(daemon); }, test::kStart);
    bench.measure("observe");
    {
        const test::AppliedPolicy policy(daemon.api(), {.name = "bench", .mode = "monitor"});
        if (all) {
            bench.measure("monitor");
        }
        daemon.api().set_mode("bench", v1::MODE_ENFORCE);
        bench.measure("enforce");
        bench.measure("enforce", true);
    }
    if (all) {
        const test::AppliedPolicy policy(
            daemon.api(),
            {.name = "bench", .operations = "truncate, punch_hole, zero_range, collapse_range, insert_range"});
        bench.measure("fallocate");
    }
    expect_nothing_lost();
    if (listens_to_pages(daemon)) {
        throw std::runtime_error("a pin was not followed: the figures are not what they should be");
    }
    daemon.stop();
}

// What pinwardend listens to. Started again for it: what is measured with it is not disturbed.
std::vector<Listened> pinwardens_hooks()
{
    test::Daemon daemon;
    daemon.followed("", "rdma regions");
    daemon.followed("", "vfio mappings");
    return listened();
}

bool has_function(const std::string& name)
{
    std::ifstream symbols("/proc/kallsyms");
    std::string line;
    while (std::getline(symbols, line)) {
        std::istringstream words(line);
        std::string address;
        std::string type;
        std::string symbol;
        words >> address >> type >> symbol;
        if (symbol == name) {
            return true;
        }
    }
    return false;
}

// The script's lines that this kernel can have.
std::string peer_script()
{
    std::ifstream whole(PINWARDEN_SOURCE_DIR "/tests/bench/hooks/peer.bt");
    std::string script;
    std::string line;
    while (std::getline(whole, line)) {
        const std::string probe = line.substr(0, line.find(' '));
        const std::string function = probe.find(':') == std::string::npos ? "" : probe.substr(probe.find(':') + 1);
        // Before 6.5 it takes more parameters than bpftrace can pass on.
        const bool too_many = function == "pin_user_pages_remote" && test::Machine::instance().older_than(6, 5);
        if (line.starts_with("//") || (has_function(function) && !too_many)) {
            script += line + "\n";
        }
    }
    return script;
}

void with_bpftrace(Bench& bench)
{
    const test::TemporaryFolder folder;
    const std::string file = folder.file("peer.bt");
    std::ofstream(file) << peer_script();
    const std::size_t before = listened().size();
    const std::string longterm = test::Machine::instance().older_than(6, 3) ? "65536" : "256";
    test::Process script({"bpftrace", file, longterm}, folder.file("messages"));
    const std::string attaching = script.read_line(test::kStart);
    const std::size_t probes = std::stoul(attaching.substr(attaching.find(' ') + 1));
    test::eventually("bpftrace listens", [&] { return listened().size() >= before + probes; }, test::kStart);
    bench.measure("bpftrace");
    script.signal(SIGINT);
    // What it prints at the end may be long.
    script.close_input();
}

// Before any program is attached: the drivers' functions are there to be listened to from the start on.
void make_devices()
{
    auto& machine = test::Machine::instance();
    machine.rdma("rw");
    machine.vfio("rw");
    // What a machine does by itself now and then would be counted as the callers' own.
    test::shell("echo 0 > /proc/sys/kernel/numa_balancing || true; echo 0 > /sys/kernel/mm/ksm/run || true");
}

void run(const std::string& out, bool all)
{
    make_devices();
    Bench bench;
    bench.measure("none");
    if (all) {
        const std::vector<Listened> hooks = pinwardens_hooks();
        const EmptyPrograms programs(hooks);
        bench.measure("empty");
    }
    with_daemon(bench, all);
    if (all) {
        while_listening(bench);
    }
    if (all) {
        with_bpftrace(bench);
    }
    std::ofstream file(out);
    file << bench.json();
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + out);
    }
}

}  // namespace
}  // namespace pinwarden::bench

int main(int argc, char** argv)
try {
    CLI::App app("Measures what hooks cost. Needs: root in a guest, ./dev vm KERNEL --icount");
    std::string out;
    bool gate = false;
    app.add_option("out", out, "where to write the figures as JSON")->required();
    app.add_flag("--gate", gate, "only what the gate compares: nothing, observing, an enforced policy");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
    pinwarden::bench::run(out, !gate);
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "pinwarden_hook_bench: {}\n", error.what());
    return 1;
}
