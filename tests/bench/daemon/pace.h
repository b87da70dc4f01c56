// Pins and releases at a steady rate.
#pragma once

#include <cstdint>

namespace pinwarden::bench {

struct Paced {
    std::uint64_t events = 0;      // pins and releases, one each for every buffer
    std::int64_t nanoseconds = 0;  // from the first to the last
};

// Registers buffers of one page each, 64 with a call, and lets them go some calls later, so that about a thousand are
// pinned at any time and none at the end. `rate` is events a second; where the machine is too slow for it, it does as
// many as it can. What it needs is made before `start`, which returns when it is to begin. Throws std::runtime_error.
Paced pin_at(std::uint64_t rate, std::int64_t seconds, void (*start)());

}  // namespace pinwarden::bench
