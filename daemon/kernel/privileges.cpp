#include "kernel/privileges.h"

#include "kernel/ftrace_switch.h"

#include <linux/capability.h>
#include <sys/utsname.h>

#include <fstream>
#include <sstream>

namespace pinwarden {
namespace {

std::string read_file(const char* path)
{
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

std::string kernel_release()
{
    utsname name{};
    uname(&name);
    return name.release;
}

bool bpf_lsm_active()
{
    return ("," + read_file("/sys/kernel/security/lsm") + ",").find(",bpf,") != std::string::npos;
}

Result<void> check_capabilities(const std::string& status_text)
{
    const std::string key = "CapEff:";
    const auto at = status_text.find(key);
    if (at == std::string::npos) {
        return fail("/proc/self/status does not tell the capabilities: is /proc mounted?");
    }
    std::uint64_t effective = 0;
    std::istringstream(status_text.substr(at + key.size())) >> std::hex >> effective;

    // It stands for the two others as well. Those alone do not let a process find the type information of modules.
    if ((effective >> CAP_SYS_ADMIN & 1U) != 0) {
        return {};
    }
    return fail(
        "not enough privileges for tracing programs and their tables: needs CAP_SYS_ADMIN, without which the kernel "
        "does "
        "not show the type information of its modules; CAP_BPF and CAP_PERFMON alone are not enough. Run as root, or "
        "as "
        "a service that is given it");
}

Result<void> check_lockdown(const std::string& lockdown_text)
{
    if (lockdown_text.find("[confidentiality]") == std::string::npos) {
        return {};
    }
    return fail(
        "this kernel is locked down (confidentiality, see /sys/kernel/security/lockdown): BPF programs may not "
        "read kernel memory. Boot with lockdown=integrity or without lockdown");
}

Result<void> check_privileges()
{
    if (auto allowed = check_capabilities(read_file("/proc/self/status")); !allowed) {
        return allowed;
    }
    if (auto allowed = check_lockdown(read_file("/sys/kernel/security/lockdown")); !allowed) {
        return allowed;
    }
    return check_ftrace(FtraceSwitch());
}

}  // namespace pinwarden
