// Getting hold of one process, and never of another that has got its pid.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "decode/event.h"
#include "proc/process_stat.h"

namespace pinwarden {

struct SameProcess {
    OwnedFd pidfd;
    ProcessStat stat;
};

// Error code ESRCH when it has ended, whoever has its pid now; start times count in whole ticks of /proc.
Result<SameProcess> open_process(const ProcessId& process);
// The same without a pidfd: true of the moment only.
Result<ProcessStat> read_stat_of(const ProcessId& process);

}  // namespace pinwarden
