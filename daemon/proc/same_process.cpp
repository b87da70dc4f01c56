#include "proc/same_process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace pinwarden {
namespace {

std::string named(const ProcessId& process)
{
    return "process " + std::to_string(process.pid);
}

}  // namespace

Result<ProcessStat> read_stat_of(const ProcessId& process)
{
    auto stat = read_process_stat(process.pid);
    if (!stat) {
        const int code = stat.error().code == ENOENT ? ESRCH : stat.error().code;
        return fail(stat.error().message, code);
    }
    if (stat->dead() || stat->start_ticks != process.start_time / kTick) {
        return fail(named(process) + " has ended", ESRCH);
    }
    return stat;
}

Result<SameProcess> open_process(const ProcessId& process)
{
    OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(process.pid), 0)));
    if (!pidfd.valid()) {
        // ENOENT, before that EINVAL: it is the id of another process' thread.
        if (errno == ESRCH || errno == EINVAL || errno == ENOENT) {
            return fail(named(process) + " has ended", ESRCH);
        }
        return std::unexpected(system_error("open a pidfd of " + named(process), errno));
    }
    // Only now: a process that has this start time was there before, so it is the one the pidfd is of.
    auto stat = read_stat_of(process);
    if (!stat) {
        return std::unexpected(stat.error());
    }
    return SameProcess{std::move(pidfd), std::move(*stat)};
}

}  // namespace pinwarden
