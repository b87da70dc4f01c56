#include "bench/ledger_memory.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/heap.h"
#include "ledger/ledger.h"
#include "support/records.h"

namespace pinwarden::bench {
namespace {

constexpr std::uint64_t kPages = 1'000'000;
constexpr std::uint64_t kBlockPages = 1U << PW_BLOCK_PAGES_SHIFT;

double bytes_each(std::size_t before, std::size_t extents)
{
    return static_cast<double>(heap_bytes() - before) / static_cast<double>(extents);
}

// Pages in the order in which pins of so many list them.
std::vector<PageNumber> pages_of(std::uint64_t pin_pages, bool scattered)
{
    std::vector<PageNumber> pages(kPages / pin_pages * pin_pages);
    std::iota(pages.begin(), pages.end(), 0);
    if (scattered) {
        std::shuffle(pages.begin(), pages.end(), std::mt19937_64(1));  // NOLINT(cert-msc51-cpp): the same each time
        // No two in one block.
        std::ranges::transform(pages, pages.begin(), [](PageNumber page) { return page * kBlockPages; });
    }
    return pages;
}

// All pinned; then every second page of each pin let go, in random order, which leaves as many intervals of live
// positions as extents; then most of the rest.
void whole_ledger(benchmark::State& state, std::uint64_t pin_pages, bool scattered)
{
    const std::vector<PageNumber> pages = pages_of(pin_pages, scattered);
    std::vector<std::size_t> order(pages.size() / 2);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(2));  // NOLINT(cert-msc51-cpp): the same each time
    for ([[maybe_unused]] auto _ : state) {
        const std::size_t before = heap_bytes();
        Ledger ledger;
        for (std::size_t first = 0; first < pages.size(); first += pin_pages) {
            std::vector<PageRun> runs;
            for (std::size_t i = first; i < first + pin_pages; ++i) {
                if (!runs.empty() && runs.back().first + runs.back().count == pages[i]) {
                    ++runs.back().count;
                } else {
                    runs.push_back({pages[i], 1});
                }
            }
            const std::uint64_t id = first / pin_pages + 1;
            ledger.pin(test::pin_event(id, pin_pages), "rdma_rxe");
            ledger.pages(test::pages_event(id, std::move(runs)));
        }
        state.counters["bytes/extent, all pinned"] = bytes_each(before, ledger.index().extents());
        for (const std::size_t i : order) {
            ledger.release(test::release_event({{pages[2 * i], 1}}));
        }
        state.counters["every second let go"] = bytes_each(before, ledger.index().extents());
        for (std::size_t at = 0; at < order.size() / 10 * 9; ++at) {
            ledger.release(test::release_event({{pages[2 * order[at] + 1], 1}}));
        }
        state.counters["one in twenty left"] = bytes_each(before, ledger.index().extents());
    }
}

}  // namespace

void register_ledger_memory()
{
    const auto add = [](const char* what, std::uint64_t pin_pages, bool scattered) {
        const std::string name = std::string("Whole ledger, a million pages/") + what;
        auto* const one = benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { whole_ledger(state, pin_pages, scattered); });
        one->Iterations(1);
    };
    add("pins of 512 scattered pages", 512, true);
    add("pins of 512 consecutive pages", 512, false);
    add("pins of 64 scattered pages", 64, true);
    add("pins of one page", 1, true);
}

}  // namespace pinwarden::bench
