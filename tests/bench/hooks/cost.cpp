#include "hooks/cost.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "hooks/idle.h"
#include "hooks/reader.h"

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
    const Reader reader;
    const IdleTime& idle = IdleTime::instance();
    batch();
    reader.catch_up();
    for (std::size_t i = 0; i < kBatches; ++i) {
        const double all = nanoseconds(CLOCK_MONOTONIC) - idle.nanoseconds();
        const double thread = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        batch();
        caller.at(i) = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - thread;
        reader.catch_up();
        everything.at(i) = nanoseconds(CLOCK_MONOTONIC) - idle.nanoseconds() - all;
    }
    // Some batches are charged for a tick of the clock or the daemon's regular work, and of some others do what mostly
    // the caller does.
    const auto median = [](std::array<double, kBatches>& values) {
        std::ranges::sort(values);
        return values.at(kBatches / 2);
    };
    const auto each = static_cast<double>(rounds * units);
    return {.caller = median(caller) / each, .everything = median(everything) / each};
}

}  // namespace pinwarden::bench
