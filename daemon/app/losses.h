// Every way in which something can be lost, by the name it has in metrics and in the API.
#pragma once

#include <pinwarden/abi.h>

#include <array>
#include <cstdint>
#include <vector>

#include "publish/snapshot.h"

namespace pinwarden {

using KernelCounters = std::array<std::uint64_t, PW_COUNTERS>;

// What the daemon itself lost.
struct DaemonLosses {
    std::uint64_t undecodable = 0;         // records that did not hold together
    std::uint64_t missed_runs = 0;         // runs of a program the kernel skipped
    std::uint64_t notifiers_left_out = 0;  // mmu notifiers there was no room for
    std::uint64_t subscriber_dropped = 0;  // events not sent to a slow subscriber
};

// One entry for every cause, zeroes included. Range look-ups that had to be done page by page are no loss and not here.
std::vector<LossState> list_losses(const KernelCounters& kernel, const DaemonLosses& daemon);

// How many losses there are that make the ledger incomplete.
std::uint64_t ledger_losses(const std::vector<LossState>& losses);

}  // namespace pinwarden
