// The real PathResolver: statx(2) and /proc/self/mountinfo.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/host_root.h"
#include "policy/policy_set.h"

namespace pinwarden {

// One line of /proc/self/mountinfo, as far as it is needed.
struct Mount {
    std::uint64_t id = 0;
    std::uint32_t device = 0;  // of the file system itself, kernel encoding
    std::string root;          // what of it is mounted, octal escapes undone
    std::string mountpoint;    // the same
    std::string filesystem;    // its type, as the kernel calls it; empty: the line does not tell
};

// Lines that do not parse are skipped: a kernel may add fields, but these come first.
std::vector<Mount> parse_mountinfo(const std::string& text);

// See PathResolver::mounted.
std::optional<MountedPath> find_mounted(const std::vector<Mount>& mounts, std::uint32_t device,
                                        const std::string& path);

// Those of /proc/self/mountinfo that show the machine's files, with the mountpoints that they have there.
Result<std::vector<Mount>> read_mounts(const HostRoot& root);
// What is at the path of the machine's now: with several mounts on top of each other, the root of the uppermost.
// Without asking a network file system's server, which might be dead, and without making an automount happen.
Result<DirectoryId> identify(const HostRoot& root, const std::string& path, const std::vector<Mount>& mounts);

class SystemPathResolver final : public PathResolver {
public:
    explicit SystemPathResolver(HostRoot root = HostRoot()) : root_(std::move(root)) {}

    Result<ResolvedPath> resolve(const std::string& path) override;
    Result<ResolvedPath> mounted_at(const std::string& path) override;
    Result<std::optional<ProgramId>> program(const std::string& path) override;
    std::optional<std::uint64_t> cgroup(const std::string& path) override;
    std::vector<std::uint64_t> container(const std::string& id) override;
    std::optional<MountedPath> mounted(std::uint32_t device, const std::string& path) override;
    void mounts_changed() override { mounts_.clear(); }

private:
    HostRoot root_;
    std::vector<Mount> mounts_;  // when they were last needed
};

}  // namespace pinwarden
