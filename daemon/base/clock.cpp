#include "base/clock.h"

#include <ctime>

namespace pinwarden {
namespace {

Nanoseconds read_clock(clockid_t id)
{
    timespec time{};
    clock_gettime(id, &time);
    return static_cast<Nanoseconds>(time.tv_sec) * 1'000'000'000U + static_cast<Nanoseconds>(time.tv_nsec);
}

}  // namespace

Nanoseconds SystemClock::now() const
{
    return read_clock(CLOCK_BOOTTIME);
}

Nanoseconds SystemClock::boot_to_unix() const
{
    // A thread that waits for its processor between the two readings gets a wrong difference: the best of some counts.
    constexpr int kReadings = 3;
    Nanoseconds narrowest = ~Nanoseconds{0};
    Nanoseconds difference = 0;
    for (int i = 0; i < kReadings; ++i) {
        const Nanoseconds before = read_clock(CLOCK_BOOTTIME);
        const Nanoseconds unix_time = read_clock(CLOCK_REALTIME);
        const Nanoseconds width = read_clock(CLOCK_BOOTTIME) - before;
        if (width < narrowest) {
            narrowest = width;
            difference = unix_time - (before + width / 2);
        }
    }
    return difference;
}

}  // namespace pinwarden
