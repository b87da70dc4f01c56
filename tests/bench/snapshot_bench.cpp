#include "bench/snapshot_bench.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "bench/quiet_world.h"
#include "bench/record_stream.h"
#include "bench/stopwatch.h"
#include "publish/pin_filter.h"

namespace pinwarden::bench {
namespace {

constexpr PinShape kShape = {512, 1, true};
constexpr double kNanosPerMilli = 1e6;
constexpr int kTimes = 5;

void fill(Engine& engine, std::size_t pins)
{
    const std::vector<PageNumber> all = places(kShape, pins);
    RecordStream stream;
    add_names(stream);
    for (std::size_t i = 0; i < pins; ++i) {
        add_pin(stream, i + 1, kShape, std::span(all).subspan(i * kShape.runs(), kShape.runs()));
        for (std::size_t record = 0; record < stream.size(); ++record) {
            engine.step(stream[record]);
        }
        stream.clear();
    }
    engine.flush();
}

// The middle one of a few.
template <typename Ask>
double milliseconds(Ask ask)
{
    std::vector<double> took;
    for (int i = 0; i < kTimes; ++i) {
        Stopwatch watch;
        const auto answer = ask();
        benchmark::DoNotOptimize(&answer);
        took.push_back(watch.lap() / kNanosPerMilli);
    }
    std::ranges::sort(took);
    return took[kTimes / 2];
}

void latency(benchmark::State& state, std::size_t extents)
{
    for ([[maybe_unused]] auto _ : state) {
        QuietWorld world;
        fill(world.engine, extents / kShape.runs());
        state.counters["pins"] = static_cast<double>(world.engine.ledger().pins().size());
        state.counters["ms, status"] = milliseconds([&] { return world.engine.snapshot(); });
        state.counters["ms, a part of the pins"] = milliseconds([&] { return world.engine.pins({}, 0); });
        state.counters["ms, metrics"] = milliseconds([&] { return world.engine.metrics(); });
    }
}

}  // namespace

void register_snapshot_latency()
{
    for (const std::size_t extents : {1'000'000UL, 10'000'000UL}) {
        const std::string name = fmt::format("Snapshots, pins of 512 scattered pages/{} extents", extents);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
            latency(state, extents);
        })->Iterations(1);
    }
}

}  // namespace pinwarden::bench
