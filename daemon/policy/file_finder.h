// What the kernel would see of a file that is named by its path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/host_root.h"
#include "policy/policy_set.h"

namespace pinwarden {

struct FoundFile {
    std::string path;  // symbolic links followed
    std::uint64_t inode = 0;
    std::uint32_t device = 0;  // kernel encoding
    std::uint64_t size = 0;
    std::uint32_t block_bytes = 0;
    bool regular = false;
    std::string filesystem;                // type, as the kernel calls it
    std::string mountpoint;                // where the file system is mounted that it is on
    std::vector<DirectoryId> directories;  // its own id, and those above it up to the root of its file system
};

// `path` is one of the machine's, and must be absolute. Error code ENOENT: there is no such file; EINVAL: it is not
// absolute.
Result<FoundFile> find_file(const HostRoot& root, const std::string& path);

}  // namespace pinwarden
