#include "proc/stopped_process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "base/fd.h"
#include "proc/process_stat.h"

namespace pinwarden {

bool resume(const ProcessId& process)
{
    // Opened first: what is read afterwards is of this process, or of none.
    const OwnedFd fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
    if (!fd.valid()) {
        return false;
    }
    const auto stat = read_process_stat(process.pid);
    if (!stat || stat->start_ticks != process.start_time / kTick) {
        return false;
    }
    return syscall(SYS_pidfd_send_signal, fd.get(), SIGCONT, nullptr, 0) == 0;
}

bool is_stopped(std::uint32_t pid, std::uint32_t tid)
{
    const auto text = read_text_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat");
    const auto stat = text ? parse_process_stat(*text) : std::nullopt;
    return stat && (stat->state == 'T' || stat->state == 't');
}

}  // namespace pinwarden
