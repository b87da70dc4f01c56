#include "publish/process_facts.h"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace pinwarden {
namespace {

constexpr double kNano = 1e-9;

double seconds_of(clockid_t clock)
{
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNano;
}

// Taken once: two clocks are never read at the same moment, and a start that moved would look like another start.
double boot_time()
{
    static const double time = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME);
    return time;
}

}  // namespace

std::optional<ProcessUse> read_process_use()
{
    std::ifstream file("/proc/self/stat");
    const std::string stat(std::istreambuf_iterator<char>(file), {});
    // The name may hold anything, also blanks and brackets.
    const std::size_t behind_name = stat.rfind(')');
    if (behind_name == std::string::npos) {
        return std::nullopt;
    }
    constexpr int kState = 3;  // as proc(5) counts
    constexpr int kUserTime = 14;
    constexpr int kSystemTime = 15;
    constexpr int kStart = 22;
    constexpr int kVirtual = 23;
    constexpr int kResident = 24;
    std::istringstream fields(stat.substr(behind_name + 1));
    std::string field;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    ProcessUse use;
    for (int number = kState; fields >> field; ++number) {
        switch (number) {
            case kUserTime:
            case kSystemTime: use.cpu_seconds += std::stod(field) / ticks; break;
            case kStart: use.start_time = boot_time() + std::stod(field) / ticks; break;
            case kVirtual: use.virtual_bytes = std::stoull(field); break;
            case kResident:
                use.resident_bytes = std::stoull(field) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
                break;
            default: break;
        }
    }
    std::error_code error;
    const auto fds = std::filesystem::directory_iterator("/proc/self/fd", error);
    if (!error) {
        // One of them is that of the folder itself.
        use.open_fds = static_cast<std::uint64_t>(std::distance(begin(fds), end(fds))) - 1;
    }
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        use.max_fds = limit.rlim_cur;
    }
    return use;
}

}  // namespace pinwarden
