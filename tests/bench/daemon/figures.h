// What the bench found, and its text for report.py.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/usage.h"

namespace pinwarden::bench {

// Seconds.
struct Spread {
    std::size_t count = 0;
    double median = 0;
    double worst = 0;
};
Spread spread_of(std::vector<double> seconds);

struct Idle {
    double seconds = 0;
    double share = 0;           // of one processor
    double guardian_share = 0;  // of the process that lets go of callers when the daemon dies
    std::vector<ThreadTime> threads;
};

struct Load {
    std::uint64_t wanted = 0;  // events a second
    double reached = 0;        // the same
    std::uint64_t events = 0;  // pins and releases
    std::uint64_t seen = 0;    // by the daemon
    std::uint64_t lost = 0;
    double share = 0;        // of one processor, while they came
    double nanoseconds = 0;  // of processor time for each event
    double behind = 0;       // seconds from the last event until the API answered that nothing is pinned
};

struct Resident {
    MemoryUse empty;
    MemoryUse guardian;
    std::uint64_t extents = 0;
    std::optional<MemoryUse> full;  // with so many
    std::optional<MemoryUse> after;
};

struct Figures {
    std::optional<Spread> start;
    std::optional<Idle> idle;
    std::vector<Load> loads;
    std::optional<Resident> memory;
    std::optional<Spread> gone;
    std::optional<Spread> resolved;
    // At the end:
    std::uint64_t lost = 0;
    bool certain = false;
};

std::string json(const Figures& figures);

}  // namespace pinwarden::bench
