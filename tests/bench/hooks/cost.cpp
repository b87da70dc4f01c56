#include "hooks/cost.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace pinwarden::bench {
namespace {

double nanoseconds(clockid_t clock)
{
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace

Cost measure(std::size_t rounds, std::size_t units, const std::function<void()>& round)
{
    constexpr std::size_t kBatches = 5;
    std::array<double, kBatches> caller{};
    std::array<double, kBatches> everything{};
    const auto batch = [&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            round();
        }
    };
    batch();
    for (std::size_t i = 0; i < kBatches; ++i) {
        const double thread = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        const double all = nanoseconds(CLOCK_MONOTONIC);
        batch();
        everything.at(i) = nanoseconds(CLOCK_MONOTONIC) - all;
        caller.at(i) = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - thread;
    }
    // What a batch has more than the least is others': a tick of the clock, a switch to whoever waited.
    const auto each = static_cast<double>(rounds * units);
    return {.caller = std::ranges::min(caller) / each, .everything = std::ranges::min(everything) / each};
}

}  // namespace pinwarden::bench
