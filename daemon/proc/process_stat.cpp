#include "proc/process_stat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "base/cgroup_tree.h"
#include "base/fd.h"

namespace pinwarden {
namespace {

// Of /proc/PID/stat, counted from the one after the name: man proc_pid_stat.
constexpr std::size_t kStateField = 0;
constexpr std::size_t kParentField = 1;
constexpr std::size_t kFlagsField = 6;
constexpr std::size_t kThreadsField = 17;
constexpr std::size_t kStartField = 19;

// include/linux/sched.h
constexpr std::uint32_t kFlagExiting = 0x4;
constexpr std::uint32_t kFlagKernelThread = 0x200000;

// Of the initial pid namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h).
constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;

template <typename Number>
std::optional<Number> number(std::string_view text)
{
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::vector<std::string_view> words(std::string_view text)
{
    std::vector<std::string_view> found;
    constexpr std::string_view kSpaces = " \t\n";
    for (std::size_t at = text.find_first_not_of(kSpaces); at != std::string_view::npos;
         at = text.find_first_not_of(kSpaces, at)) {
        const std::size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
        found.push_back(text.substr(at, end - at));
        at = end;
    }
    return found;
}

}  // namespace

Result<std::string> read_text_file(const std::string& path)
{
    const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
        return std::unexpected(system_error("open " + path, errno));
    }
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while ((got = read(fd.get(), buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (got < 0) {
        return std::unexpected(system_error("read " + path, errno));
    }
    return text;
}

bool ProcessStat::kernel_thread() const
{
    return (flags & kFlagKernelThread) != 0;
}

bool ProcessStat::exiting() const
{
    return (flags & kFlagExiting) != 0;
}

std::optional<ProcessStat> parse_process_stat(std::string_view text)
{
    const std::size_t open = text.find('(');
    const std::size_t close = text.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
        return std::nullopt;
    }
    const std::vector<std::string_view> fields = words(text.substr(close + 1));
    if (fields.size() <= kStartField || fields[kStateField].size() != 1) {
        return std::nullopt;
    }
    const auto threads = number<std::uint64_t>(fields[kThreadsField]);
    const auto start = number<std::uint64_t>(fields[kStartField]);
    const auto parent = number<std::uint32_t>(fields[kParentField]);
    const auto flags = number<std::uint32_t>(fields[kFlagsField]);
    if (!threads || !start || !parent || !flags) {
        return std::nullopt;
    }
    return ProcessStat{.comm = std::string(text.substr(open + 1, close - open - 1)),
                       .state = fields[kStateField].front(),
                       .threads = *threads,
                       .start_ticks = *start,
                       .parent = *parent,
                       .flags = *flags};
}

Result<ProcessStat> read_process_stat(std::uint32_t pid)
{
    const std::string path = "/proc/" + std::to_string(pid) + "/stat";
    const auto text = read_text_file(path);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto stat = parse_process_stat(*text);
    if (!stat) {
        return fail(path + " is not what was expected", EPROTO);
    }
    return *stat;
}

std::optional<std::uint32_t> parse_id(std::string_view status, std::string_view name)
{
    const std::string start = "\n" + std::string(name) + ":";
    const std::size_t at = status.find(start);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view line = status.substr(at + start.size());
    // Real, effective, saved, file system.
    const auto ids = words(line.substr(0, line.find('\n')));
    return ids.size() < 2 ? std::nullopt : number<std::uint32_t>(ids[1]);
}

std::optional<std::uint32_t> read_uid(std::uint32_t pid)
{
    const auto text = read_text_file("/proc/" + std::to_string(pid) + "/status");
    return text ? parse_id(*text, "Uid") : std::nullopt;
}

std::optional<std::string> parse_cgroup(std::string_view text)
{
    constexpr std::string_view kUnified = "0::";
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line.starts_with(kUnified)) {
            return std::string(line.substr(kUnified.size()));
        }
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return std::nullopt;
}

std::optional<Task> read_task(std::uint32_t pid)
{
    const std::string folder = "/proc/" + std::to_string(pid);
    const auto stat = read_process_stat(pid);
    const auto status = read_text_file(folder + "/status");
    if (!stat || !status) {
        return std::nullopt;
    }
    Task task;
    task.process = {pid, stat->start_ticks * kTick};
    task.tid = pid;
    task.uid = parse_id(*status, "Uid").value_or(0);
    task.gid = parse_id(*status, "Gid").value_or(0);
    task.comm = stat->comm;
    if (const auto text = read_text_file(folder + "/cgroup"); text) {
        if (const auto path = parse_cgroup(*text)) {
            task.cgroup = cgroup_called(*path);
        }
    }
    return task;
}

std::vector<std::uint32_t> list_processes()
{
    std::vector<std::uint32_t> pids;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
        if (const auto pid = number<std::uint32_t>(entry->path().filename().string())) {
            pids.push_back(*pid);
        }
    }
    std::ranges::sort(pids);
    return pids;
}

bool in_initial_pid_namespace()
{
    struct stat ours{};
    return stat("/proc/self/ns/pid", &ours) == 0 && ours.st_ino == kInitialPidNamespace;
}

}  // namespace pinwarden
