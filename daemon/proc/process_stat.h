// What /proc says of a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "decode/event.h"
#include "ledger/owner_search.h"

namespace pinwarden {

struct ProcessStat {
    std::string comm;
    char state = '?';
    std::uint64_t threads = 0;
    std::uint64_t start_ticks = 0;  // since boot, of kTick each
    std::uint32_t parent = 0;       // pid; 0: none, or not seen from here
    std::uint32_t flags = 0;        // of its first thread, the kernel's PF_*

    [[nodiscard]] bool kernel_thread() const;
    // Its first thread is on its way out, or has ended.
    [[nodiscard]] bool exiting() const;
    // Nothing of it runs any more: only its parent has not asked for its status yet.
    [[nodiscard]] bool dead() const { return (state == 'Z' || state == 'X') && threads <= 1; }
};

// USER_HZ is 100 on x86-64 and arm64.
inline constexpr Nanoseconds kTick = kInferredGrain;

// The content of /proc/PID/stat; nothing when it is none. A process' name may have anything in it, also ") R 1".
std::optional<ProcessStat> parse_process_stat(std::string_view text);

// Error with the errno of what failed: ENOENT or ESRCH when there is no such process.
Result<ProcessStat> read_process_stat(std::uint32_t pid);

// The whole of a file whose size is not known beforehand.
Result<std::string> read_text_file(const std::string& path);

// The effective id in the content of /proc/PID/status: `name` is Uid or Gid.
std::optional<std::uint32_t> parse_id(std::string_view status, std::string_view name);
std::optional<std::uint32_t> read_uid(std::uint32_t pid);

// The cgroup v2 path in the content of /proc/PID/cgroup; nothing when there is none.
std::optional<std::string> parse_cgroup(std::string_view text);

// A process as the kernel would report it as an owner; its start time is cut to whole ticks. Nothing when it is gone.
std::optional<Task> read_task(std::uint32_t pid);

// Processes there are now, ascending.
std::vector<std::uint32_t> list_processes();

// Whether pids in /proc are those the kernel reports: not in a pid namespace of our own.
bool in_initial_pid_namespace();

}  // namespace pinwarden
