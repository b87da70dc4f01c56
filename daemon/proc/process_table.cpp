#include "proc/process_table.h"

#include <cerrno>

#include "proc/process_stat.h"

namespace pinwarden {

ProcProcesses::ProcProcesses() : usable_(in_initial_pid_namespace()) {}

bool ProcProcesses::gone(const ProcessId& process)
{
    if (!usable_) {
        return false;
    }
    const auto stat = read_process_stat(process.pid);
    if (!stat) {
        return stat.error().code == ENOENT || stat.error().code == ESRCH;
    }
    return stat->dead() || stat->start_ticks != process.start_time / kTick;
}

}  // namespace pinwarden
