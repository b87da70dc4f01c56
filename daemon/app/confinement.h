// What the process gives up of its rights once it does not need them: whoever takes it over should find little.
#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "base/result.h"

namespace pinwarden {

// Needed all the time: modules come and go, and with them hooks that are attached; names of code and of cgroups are
// looked up, and processes looked at and signalled. docs/service.md says what for.
extern const std::vector<int> kDaemonCapabilities;
// What the guardian needs: to see processes, and to continue them.
extern const std::vector<int> kGuardianCapabilities;

// Becomes a member of these groups as well, so that files can be given to them. Nothing where that is not allowed:
// giving them may be all the same.
void join_groups(std::span<const gid_t> groups);

// Of the calling thread and all it starts from now on, gives up every capability but those, for good, and lets no
// program it might run have more. One it does not have is not missed.
Result<void> keep_capabilities(std::span<const int> kept);

// For all threads: no system call that runs programs, looks into other processes' memory to change it, mounts, loads
// modules, sets clocks, changes users or namespaces. They fail with EPERM.
Result<void> forbid_system_calls();

}  // namespace pinwarden
