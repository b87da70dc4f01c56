#include "proc/pidfd_signals.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <filesystem>
#include <string_view>

#include "proc/same_process.h"

namespace pinwarden {
namespace {

using Kind = SignalOutcome::Kind;

constexpr std::string_view kForeignPids =
    "the daemon runs in a pid namespace of its own, where pids are not those the kernel reports; start it in the "
    "initial one";

std::string named(const ProcessId& process)
{
    return "process " + std::to_string(process.pid);
}

bool is_gone(const Error& error)
{
    return error.code == ESRCH;
}

Kin kin_of(std::uint32_t pid)
{
    if (pid == static_cast<std::uint32_t>(getpid())) {
        return Kin::kSelf;
    }
    return pid == static_cast<std::uint32_t>(getppid()) ? Kin::kParent : Kin::kNone;
}

// Why no process with that pid is signalled, whichever it is.
std::string_view why_never(std::uint32_t pid)
{
    if (pid <= 1) {
        return pid == 0 ? "it is not known which process it is" : "pid 1 keeps the machine running";
    }
    switch (kin_of(pid)) {
        case Kin::kSelf: return "it is this daemon";
        case Kin::kParent: return "it is the parent of this daemon";
        case Kin::kNone: return {};
    }
    return {};
}

struct Executable {
    std::string path;
    std::uint32_t owner = 0;
};

std::optional<Executable> read_executable(const std::string& folder)
{
    constexpr std::string_view kDeleted = " (deleted)";
    const std::string link = folder + "/exe";
    std::array<char, PATH_MAX + kDeleted.size()> path{};
    const ssize_t length = readlink(link.c_str(), path.data(), path.size());
    struct stat file{};
    if (length <= 0 || static_cast<std::size_t>(length) == path.size() || stat(link.c_str(), &file) != 0) {
        return std::nullopt;
    }
    std::string_view text(path.data(), static_cast<std::size_t>(length));
    // An upgrade replaced it while it runs: it still is what it was.
    if (text.ends_with(kDeleted)) {
        text.remove_suffix(kDeleted.size());
    }
    return Executable{std::string(text), file.st_uid};
}

// The first thread may have ended before the others, and then tells nothing.
std::optional<Executable> find_executable(std::uint32_t pid)
{
    const std::string folder = "/proc/" + std::to_string(pid);
    auto executable = read_executable(folder);
    std::error_code error;
    for (std::filesystem::directory_iterator thread(folder + "/task", error), end;
         !executable && !error && thread != end; thread.increment(error)) {
        executable = read_executable(thread->path().string());
    }
    return executable;
}

SignalOutcome refused(std::string_view reason)
{
    return {Kind::kRefused, std::string(reason)};
}

Result<SignalOutcome> send_by(int pidfd, const ProcessId& process, int signal)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) {
        return SignalOutcome{Kind::kSent};
    }
    if (errno == ESRCH) {
        return SignalOutcome{Kind::kGone};
    }
    if (errno == EPERM) {
        return refused("the kernel does not permit it; the daemon needs CAP_KILL");
    }
    return std::unexpected(system_error("signal " + named(process), errno));
}

}  // namespace

Result<SignalOutcome> PidfdSignals::send(const ProcessId& process, int signal)
{
    if (signal < 1 || signal > SIGRTMAX) {
        return fail("signal " + std::to_string(signal) + " does not exist", EINVAL);
    }
    if (!usable_) {
        return refused(kForeignPids);
    }
    if (const auto why = why_never(process.pid); !why.empty()) {
        return refused(why);
    }
    const auto same = open_process(process);
    if (!same) {
        return is_gone(same.error()) ? Result<SignalOutcome>(SignalOutcome{Kind::kGone})
                                     : std::unexpected(same.error());
    }
    return same->stat.kernel_thread() ? refused("it is a kernel thread") : send_by(same->pidfd.get(), process, signal);
}

Result<ProcessFacts> PidfdSignals::facts(const ProcessId& process)
{
    if (!usable_) {
        return fail(std::string(kForeignPids), ENOTSUP);
    }
    const auto before = read_stat_of(process);
    if (!before) {
        return std::unexpected(before.error());
    }
    ProcessFacts facts;
    facts.process = process;
    facts.parent = before->parent;
    facts.comm = before->comm;
    facts.kernel_thread = before->kernel_thread();
    facts.kin = kin_of(process.pid);
    facts.uid = read_uid(process.pid);
    const auto executable = find_executable(process.pid);
    if (executable) {
        facts.executable = executable->path;
        facts.executable_owner = executable->owner;
    }
    if (const auto text = read_text_file("/proc/" + std::to_string(process.pid) + "/cgroup")) {
        facts.cgroup = parse_cgroup(*text).value_or("");
    }
    // Where it still is there now, all of that was its own.
    const auto after = read_stat_of(process);
    if (!after) {
        return std::unexpected(after.error());
    }
    facts.exiting = !executable && !facts.kernel_thread && after->exiting();
    return facts;
}

}  // namespace pinwarden
