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
    return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
}

}  // namespace pinwarden
