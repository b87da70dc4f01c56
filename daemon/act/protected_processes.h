// Which processes are never signalled, whatever a policy says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "act/process_signals.h"
#include "base/result.h"

namespace pinwarden {

class ProtectedProcesses {
public:
    // What is always protected: pid 1, kernel threads, this daemon and its parent; what cannot be told, as its
    // executable is not readable; and by the name of an executable that belongs to root, systemd and its helpers,
    // journald, D-Bus, sshd and other pinwarden daemons. A process' own name (comm) counts for nothing, and so does an
    // executable somebody else has given one of these names.
    ProtectedProcesses() = default;

    // Besides these, executables by path ("/usr/bin/qemu-system-x86_64") or by name alone ("postgres"), whoever they
    // belong to. Error with code EINVAL for an entry that is neither.
    static Result<ProtectedProcesses> with(const std::vector<std::string>& configured);

    // Why the process must not be signalled; nothing when it may be.
    [[nodiscard]] std::optional<std::string> reason(const ProcessFacts& process) const;

private:
    std::vector<std::string> configured_;
};

}  // namespace pinwarden
