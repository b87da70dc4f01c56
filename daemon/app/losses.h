// Every way in which something can be lost, by the name it has in metrics and in the API.
#pragma once

#include <pinwarden/abi.h>

#include <array>
#include <cstdint>
#include <vector>

#include "kernel/programs.h"
#include "publish/snapshot.h"

namespace pinwarden {

using KernelCounters = std::array<std::uint64_t, PW_COUNTERS>;

// What the daemon itself lost.
struct DaemonLosses {
    std::uint64_t undecodable = 0;     // records that did not hold together
    std::uint64_t missed_runs = 0;     // calls that pin, let go or own, which the kernel did not show to any program
    std::uint64_t missed_reports = 0;  // the same of calls that are only told of
    std::uint64_t notifiers_left_out = 0;  // mmu notifiers there was no room for
    std::uint64_t subscriber_dropped = 0;  // events not sent to a slow subscriber
    std::uint64_t switched_off = 0;        // times nothing was seen, for as long as it took
    std::uint64_t memory_limit = 0;        // pins that were not followed, because the daemon may not take more memory
};

struct MissedCalls {
    std::uint64_t ledger = 0;   // the ledger lacks what they did
    std::uint64_t reports = 0;  // only nobody is told of them
};

// `hooks`: of Programs, of which `caught` were made good. `owners`: of Scopes.
MissedCalls count_missed(const std::vector<HookStatus>& hooks, const CaughtCalls& caught,
                         const std::vector<HookStatus>& owners);

// One entry for every cause, zeroes included. Range look-ups that had to be done page by page are no loss and not here.
std::vector<LossState> list_losses(const KernelCounters& kernel, const DaemonLosses& daemon);

// How many losses there are that make the ledger incomplete.
std::uint64_t ledger_losses(const std::vector<LossState>& losses);

}  // namespace pinwarden
