#include "act/protected_processes.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "policy/policy.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"systemd", "journald",    "dbus-daemon",
                                                    "sshd",    "dbus-broker", "pinwardend"};
// systemd-journald, systemd-logind …, dbus-broker-launch, sshd-session.
constexpr std::array<std::string_view, 3> kNamePrefixes = {"systemd-", "dbus-broker-", "sshd-"};

std::string_view name_of(std::string_view path)
{
    return path.substr(path.rfind('/') + 1);
}

bool keeps_the_machine_usable(std::string_view name)
{
    return std::ranges::find(kNames, name) != kNames.end() ||
           std::ranges::any_of(kNamePrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

Result<ProtectedProcesses> ProtectedProcesses::with(const std::vector<std::string>& configured)
{
    ProtectedProcesses processes;
    for (const std::string& entry : configured) {
        if (entry.find('/') == std::string::npos) {
            if (entry.empty() || entry == "." || entry == "..") {
                return fail("protected process " + quoted(entry) +
                                " names no executable; write its path, or its name alone, such as postgres",
                            EINVAL);
            }
            processes.configured_.push_back(entry);
            continue;
        }
        Result<std::string> path = normalise_path_prefix(entry);
        if (path && (*path == "/" || entry.ends_with('/'))) {
            path = fail(quoted(entry) + " is a folder; write the path of an executable", EINVAL);
        }
        if (!path) {
            return std::unexpected(path.error().within("protected process"));
        }
        processes.configured_.push_back(std::move(*path));
    }
    return processes;
}

std::optional<std::string> ProtectedProcesses::reason(const ProcessFacts& process) const
{
    if (process.process.pid <= 1) {
        return process.process.pid == 0 ? "it is not known which process it is" : "pid 1 keeps the machine running";
    }
    if (process.kernel_thread) {
        return "it is a kernel thread";
    }
    if (process.kin != Kin::kNone) {
        return process.kin == Kin::kSelf ? "it is this daemon" : "it is the parent of this daemon";
    }
    if (process.executable.empty()) {
        return "its executable cannot be read, so it might be a protected one";
    }
    const std::string_view name = name_of(process.executable);
    if (keeps_the_machine_usable(name) && process.executable_owner.value_or(0) == 0) {
        return process.executable + " is always protected: the machine needs it";
    }
    for (const std::string& entry : configured_) {
        if (entry == process.executable || entry == name) {
            return process.executable + " is protected by the daemon's configuration (" + quoted(entry) + ")";
        }
    }
    return std::nullopt;
}

}  // namespace pinwarden
