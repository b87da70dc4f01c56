// Where the tree of cgroups (v2) is seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace pinwarden {

// The mountpoints of the cgroup2 file systems in the text of /proc/self/mountinfo, in its order.
std::vector<std::string> cgroup_mountpoints(const std::string& mountinfo);

// The one that shows the whole tree: in a container the first may show no more than the container's own part. Where
// none does, the first; empty when there is none.
std::string find_cgroup_tree();

// The folder of a cgroup in the tree that is mounted at `mount`. Invalid when there is no such cgroup (any longer), or
// CAP_DAC_READ_SEARCH is missing.
OwnedFd open_cgroup(const OwnedFd& mount, std::uint64_t id);

// The cgroup that some /proc/PID/cgroup calls `path`: from where this process's cgroup namespace begins, and with ".."
// for what is not below. 0 when there is none that can be seen.
std::uint64_t cgroup_called(const std::string& path);

}  // namespace pinwarden
