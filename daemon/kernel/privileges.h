// What must be true before it makes sense to load anything, each with its own message.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace pinwarden {

// "uname -r".
std::string kernel_release();

// Whether bpf is among the active security modules.
bool bpf_lsm_active();

// Error when the effective capabilities (hexadecimal CapEff of /proc/self/status) do not allow tracing programs that
// look into modules: CAP_SYS_ADMIN.
Result<void> check_capabilities(const std::string& status_text);

// Error when the lockdown state (text of /sys/kernel/security/lockdown, empty when unknown) forbids BPF to read kernel
// memory: level "confidentiality".
Result<void> check_lockdown(const std::string& lockdown_text);

// Both of the above for this process on this kernel, and whether its programs would run.
Result<void> check_privileges();

}  // namespace pinwarden
