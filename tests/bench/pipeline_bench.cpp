// The extent index beside boost::icl::interval_map and std::map: what an extent costs in memory, and what it costs to
// insert, look up and remove one, as the number of extents grows.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <random>
#include <string>
#include <vector>

#include "bench/engine_bench.h"
#include "bench/heap.h"
#include "bench/indexes.h"
#include "bench/layouts.h"
#include "bench/ledger_memory.h"
#include "bench/snapshot_bench.h"
#include "bench/stopwatch.h"
#include "bench/table.h"

namespace pinwarden::bench {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kLookups = 1'000'000;
constexpr std::array<std::size_t, 3> kSizes = {10'000, 1'000'000, 10'000'000};
constexpr std::array kLayouts = {Layout::kContiguous, Layout::kRuns, Layout::kLone, Layout::kCrowded};

// One life of an index: everything in, lookups, everything out in another order.
template <typename Index>
void life(benchmark::State& state, Layout layout, std::size_t extents)
{
    std::vector<Extent> in = runs(layout, extents, kSeed);
    std::vector<Extent> out = in;
    std::shuffle(out.begin(), out.end(), std::mt19937_64(kSeed + 1));
    double insert = 0;
    double lookup = 0;
    double remove = 0;
    double bytes = 0;
    std::size_t found = 0;
    const std::size_t lookups = std::min(kLookups, out.size());
    for (auto _ : state) {
        const std::size_t before = heap_bytes();
        Index index;
        Stopwatch watch;
        for (const Extent& extent : in) {
            index.insert(extent);
        }
        insert += watch.lap(extents);
        bytes = static_cast<double>(heap_bytes() - before) / static_cast<double>(extents);
        watch.lap(1);
        for (std::size_t i = 0; i < lookups; ++i) {
            found += index.holders(out[i].first);
        }
        lookup += watch.lap(lookups);
        for (const Extent& extent : out) {
            index.remove(extent);
        }
        remove += watch.lap(extents);
        if (!index.empty()) {
            state.SkipWithError("the index is not empty after everything was removed");
        }
    }
    if (found != lookups * static_cast<std::size_t>(state.iterations())) {
        state.SkipWithError("a page was not found, or found twice");
    }
    const auto lives = static_cast<double>(state.iterations());
    state.counters["bytes/extent"] = bytes;
    state.counters["insert ns"] = insert / lives;
    state.counters["lookup ns"] = lookup / lives;
    state.counters["remove ns"] = remove / lives;
}

template <typename Index>
void add(Layout layout, std::size_t extents)
{
    const std::string name = fmt::format("{}, {} extents/{}", to_string(layout), extents, Index::kName);
    auto* const one = benchmark::RegisterBenchmark(
        name.c_str(), [=](benchmark::State& state) { life<Index>(state, layout, extents); });
    // Small ones are lived often enough to be measured.
    one->Iterations(static_cast<std::int64_t>(std::max<std::size_t>(1, kLookups / extents)));
}

}  // namespace
}  // namespace pinwarden::bench

int main(int argc, char** argv)
try {
    using namespace pinwarden::bench;
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    register_engine_throughput();
    register_snapshot_latency();
    for (const Layout layout : kLayouts) {
        for (const std::size_t extents : kSizes) {
            add<Ours>(layout, extents);
            add<BoostIcl>(layout, extents);
            add<StdMap>(layout, extents);
        }
    }
    register_ledger_memory();
    TableReporter table;
    benchmark::RunSpecifiedBenchmarks(&table);
    return 0;
} catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "pinwarden_pipeline_bench: %s\n", error.what()));
    return 1;
}
