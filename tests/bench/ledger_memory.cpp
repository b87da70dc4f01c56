#include "bench/ledger_memory.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "bench/heap.h"
#include "ledger/ledger.h"
#include "support/records.h"

namespace pinwarden::bench {
namespace {

constexpr std::uint64_t kExtents = 1'000'000;
constexpr std::uint64_t kPinPages = 512;
constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

double bytes_each(std::size_t before, std::size_t extents)
{
    return static_cast<double>(heap_bytes() - before) / static_cast<double>(extents);
}

// Pins of 512 pages, no two of them in one block; then every second page of each is let go, which leaves as many
// intervals of live positions as extents.
void scattered_pins(benchmark::State& state)
{
    std::vector<std::uint64_t> blocks(kExtents / kPinPages * kPinPages);
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937_64(1));  // NOLINT(cert-msc51-cpp): the same each time
    for ([[maybe_unused]] auto _ : state) {
        const std::size_t before = heap_bytes();
        Ledger ledger;
        for (std::size_t first = 0; first < blocks.size(); first += kPinPages) {
            std::vector<PageRun> runs;
            runs.reserve(kPinPages);
            for (std::size_t i = first; i < first + kPinPages; ++i) {
                runs.push_back({blocks[i] * kBlockPages, 1});
            }
            const std::uint64_t id = first / kPinPages + 1;
            ledger.pin(test::pin_event(id, kPinPages), "rdma_rxe");
            ledger.pages(test::pages_event(id, std::move(runs)));
        }
        state.counters["bytes/extent, all pinned"] = bytes_each(before, ledger.index().extents());
        for (std::size_t i = 0; i < blocks.size(); i += 2) {
            ledger.release(test::release_event({{blocks[i] * kBlockPages, 1}}));
        }
        state.counters["bytes/extent, every second let go"] = bytes_each(before, ledger.index().extents());
    }
}

}  // namespace

void register_ledger_memory()
{
    benchmark::RegisterBenchmark("Whole ledger, a million extents/pins of 512 scattered pages", scattered_pins)
        ->Iterations(1);
}

}  // namespace pinwarden::bench
