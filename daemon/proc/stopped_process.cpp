#include "proc/stopped_process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "proc/process_stat.h"
#include "proc/same_process.h"

namespace pinwarden {

bool resume(const ProcessId& process)
{
    const auto same = open_process(process);
    return same && syscall(SYS_pidfd_send_signal, same->pidfd.get(), SIGCONT, nullptr, 0) == 0;
}

bool is_stopped(std::uint32_t pid, std::uint32_t tid)
{
    const auto text = read_text_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat");
    const auto stat = text ? parse_process_stat(*text) : std::nullopt;
    return stat && (stat->state == 'T' || stat->state == 't');
}

}  // namespace pinwarden
