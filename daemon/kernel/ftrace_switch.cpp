#include "kernel/ftrace_switch.h"

#include <fcntl.h>
#include <unistd.h>

namespace pinwarden {

FtraceSwitch::FtraceSwitch(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

bool FtraceSwitch::on() const
{
    char value = '1';
    return !file_.valid() || ::pread(file_.get(), &value, 1, 0) != 1 || value != '0';
}

Result<void> check_ftrace(const FtraceSwitch& ftrace)
{
    if (ftrace.on()) {
        return {};
    }
    return fail(
        "kernel.ftrace_enabled is 0, so that no program on a kernel function would run; set it with sysctl "
        "kernel.ftrace_enabled=1");
}

}  // namespace pinwarden
