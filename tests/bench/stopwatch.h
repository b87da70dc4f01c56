// Time between two points of a measurement: what the thread itself ran for, so that what runs beside it on the machine
// counts as little as it can.
#pragma once

#include <cstddef>
#include <ctime>

namespace pinwarden::bench {

class Stopwatch {
public:
    // Nanoseconds for each of `count` since the last lap.
    double lap(std::size_t count = 1)
    {
        const double now = thread_time();
        const double took = now - since_;
        since_ = now;
        return took / static_cast<double>(count);
    }

private:
    static double thread_time()
    {
        constexpr double kNanosPerSecond = 1e9;
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) * kNanosPerSecond + static_cast<double>(time.tv_nsec);
    }

    double since_ = thread_time();
};

}  // namespace pinwarden::bench
