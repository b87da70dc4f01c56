#include "bench/engine_bench.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bench/quiet_world.h"
#include "bench/record_stream.h"
#include "bench/stopwatch.h"
#include "policy/policy_yaml.h"

namespace pinwarden::bench {
namespace {

constexpr std::size_t kMeasured = 250'000;  // extents that come and go, for each kind of release
constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;
constexpr std::size_t kFlushEvery = 4096;  // records, as in the daemon
constexpr double kPerMillion = 1e3;        // nanoseconds, for rates in millions a second

constexpr auto kPolicy = R"(
name: datasets
mode: monitor
match: {operations: [truncate], file: {path_prefixes: [/mnt/data]}, pin: {drivers: [rdma_rxe], min_bytes: 1MiB}}
action: {deny: {errno: EBUSY}}
)";

// Returns nanoseconds.
double feed(Engine& engine, const RecordStream& records)
{
    Stopwatch watch;
    for (std::size_t i = 0; i < records.size(); ++i) {
        engine.step(records[i]);
        if (i % kFlushEvery == kFlushEvery - 1) {
            engine.flush();
        }
    }
    engine.flush();
    return watch.lap();
}

class Pins {
public:
    Pins(PinShape shape, std::size_t count) : shape_(shape), count_(count), places_(places(shape, count)) {}

    [[nodiscard]] std::size_t count() const { return count_; }
    void add_pin(RecordStream& stream, std::size_t i) const { bench::add_pin(stream, i + 1, shape_, of(i)); }
    void add_release(RecordStream& stream, std::size_t i, ReleaseBy by) const
    {
        bench::add_release(stream, i + 1, shape_, of(i), by);
    }

private:
    [[nodiscard]] std::span<const PageNumber> of(std::size_t i) const
    {
        return std::span(places_).subspan(i * shape_.runs(), shape_.runs());
    }

    PinShape shape_;
    std::size_t count_;
    std::vector<PageNumber> places_;
};

void fill(Engine& engine, const Pins& pins, std::size_t count)
{
    RecordStream stream;
    add_names(stream);
    for (std::size_t i = 0; i < count; ++i) {
        pins.add_pin(stream, i);
        if (i % 1024 == 1023 || i + 1 == count) {
            feed(engine, stream);
            stream.clear();
        }
    }
}

struct Passed {
    double nanoseconds = 0;
    std::size_t events = 0;
};

// What is measured of one kind of release: some of the pins come, and go in another order.
void come_and_go(Engine& engine, const Pins& pins, std::size_t first, std::size_t end, ReleaseBy by, Passed& pinned,
                 Passed& released)
{
    std::vector<std::size_t> order(end - first);
    std::iota(order.begin(), order.end(), first);
    RecordStream stream;
    for (const std::size_t i : order) {
        pins.add_pin(stream, i);
    }
    pinned.nanoseconds += feed(engine, stream);
    pinned.events += stream.size();
    stream.clear();
    std::shuffle(order.begin(), order.end(), std::mt19937_64(2));  // NOLINT(cert-msc51-cpp): the same each time
    for (const std::size_t i : order) {
        pins.add_release(stream, i, by);
    }
    released.nanoseconds += feed(engine, stream);
    released.events += stream.size();
}

// `extents_alive` are there all the time, and at most as many more come before some of them go.
void throughput(benchmark::State& state, const PinShape& shape, std::size_t extents_alive)
{
    const std::uint64_t extents = shape.runs() * std::max<std::uint64_t>(1, shape.run_pages / kBlockPages);
    const std::size_t alive = extents_alive / extents;
    const std::size_t measured = kMeasured / std::max<std::uint64_t>(extents, 2);
    const std::size_t at_once = std::min(alive, measured);
    const Pins pins(shape, alive + measured);
    const auto policies = parse_policies(kPolicy, "bench");
    for ([[maybe_unused]] auto _ : state) {
        QuietWorld world;
        if (!policies || !world.engine.apply(*policies, false)) {
            state.SkipWithError("the policy was refused");
            return;
        }
        fill(world.engine, pins, alive);
        Passed pinned;
        Passed by_list;
        Passed by_run;
        for (std::size_t first = alive; first < pins.count(); first += at_once) {
            const std::size_t end = std::min(first + at_once, pins.count());
            come_and_go(world.engine, pins, first, end, ReleaseBy::kLists, pinned, by_list);
            come_and_go(world.engine, pins, first, end, ReleaseBy::kRuns, pinned, by_run);
        }
        if (world.engine.ledger().pins().size() != alive || !world.engine.ledger().certain() ||
            world.engine.ledger().unmatched_releases() != 0 || !world.warnings.empty()) {
            state.SkipWithError("the ledger is not what it was before");
        }
        const auto runs = static_cast<double>(measured * shape.runs());
        const double both_ways = 3 * runs / (pinned.nanoseconds / 2 + by_list.nanoseconds + by_run.nanoseconds);
        state.counters["M runs/s, pinned"] = 2 * runs * kPerMillion / pinned.nanoseconds;
        state.counters["M runs/s, released by list"] = runs * kPerMillion / by_list.nanoseconds;
        state.counters["M runs/s, released one by one"] = runs * kPerMillion / by_run.nanoseconds;
        state.counters["M runs/s, together"] = both_ways * kPerMillion;
        state.counters["M pages/s, together"] = both_ways * kPerMillion * static_cast<double>(shape.run_pages);
        state.counters["M events/s, together"] = static_cast<double>(pinned.events + by_list.events + by_run.events) *
                                                 kPerMillion /
                                                 (pinned.nanoseconds + by_list.nanoseconds + by_run.nanoseconds);
    }
}

void register_engine_throughput(std::size_t alive)
{
    const auto add = [alive](const std::string& what, PinShape shape) {
        const std::string name = fmt::format("The whole pipeline, {} extents alive/{}", alive, what);
        auto* const one = benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { throughput(state, shape, alive); });
        one->Iterations(1);
    };
    add("pins of 512 pages, shuffled: 512 runs of 1", {512, 1, true});
    add("pins of 512 pages in 32 runs of 16, shuffled", {512, 16, true});
    add("pins of 512 pages, contiguous: 1 run", {512, 512, false});
    add("pins of 16 pages, shuffled: 16 runs of 1", {16, 1, true});
    add("pins of 16 pages, contiguous: 1 run", {16, 16, false});
    add("pins of 1 page, shuffled", {1, 1, true});
    add("pins of 1 page, contiguous", {1, 1, false});
}

}  // namespace

void register_engine_throughput()
{
    for (const std::size_t alive : {1'000'000UL, 100'000UL, 10'000UL}) {
        register_engine_throughput(alive);
    }
}

}  // namespace pinwarden::bench
