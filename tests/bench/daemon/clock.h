// Time as everything here takes it.
#pragma once

#include <cstdint>
#include <ctime>

namespace pinwarden::bench {

inline constexpr std::int64_t kSecond = 1'000'000'000;

// Nanoseconds since the machine started, the same for all processes.
inline std::int64_t now()
{
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * kSecond + time.tv_nsec;
}

inline void sleep_until(std::int64_t when)
{
    const timespec time{.tv_sec = when / kSecond, .tv_nsec = when % kSecond};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
    }
}

inline void sleep_for(std::int64_t nanoseconds)
{
    sleep_until(now() + nanoseconds);
}

}  // namespace pinwarden::bench
