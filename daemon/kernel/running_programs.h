// Waiting for the programs that run.
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pinwarden {

// Waits until no program that started before still runs: programs run under RCU, and this is a grace period.
inline void wait_for_running_programs()
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

}  // namespace pinwarden
