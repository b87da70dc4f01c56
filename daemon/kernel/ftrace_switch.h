// The kernel's main switch of function tracing, /proc/sys/kernel/ftrace_enabled. While it is off no program that is
// attached to a kernel function runs, whether it reports or decides; nothing else tells so.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace pinwarden {

// The reason of hooks that are attached, and do not run.
inline constexpr std::string_view kSwitchedOff = "kernel.ftrace_enabled is 0: set it to 1 (sysctl)";

class FtraceSwitch {
public:
    // `path`: where there is no such file, the switch is on.
    explicit FtraceSwitch(const std::string& path = "/proc/sys/kernel/ftrace_enabled");

    // One system call.
    [[nodiscard]] bool on() const;

private:
    OwnedFd file_;
};

// Error when it is off.
Result<void> check_ftrace(const FtraceSwitch& ftrace);

}  // namespace pinwarden
