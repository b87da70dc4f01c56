// The mounted cgroup v2 tree: from a cgroup's id, which is all the programs in the kernel can tell, to its path.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/fd.h"

namespace pinwarden {

class CgroupTree {
public:
    // Beyond this many the paths are looked up anew. A cgroup's path never changes, and its id is not used again.
    static constexpr std::size_t kPathsKept = 4096;

    // From the root of the mounted tree: "/", "/system.slice/x.service". Empty when there is no such cgroup (any
    // longer), no cgroup2 file system is mounted, or CAP_DAC_READ_SEARCH is missing.
    std::string path(std::uint64_t id);

private:
    bool find_mount();
    [[nodiscard]] std::string look_up(std::uint64_t id) const;

    std::string mountpoint_;
    OwnedFd mount_;
    absl::flat_hash_map<std::uint64_t, std::string> paths_;
};

}  // namespace pinwarden
