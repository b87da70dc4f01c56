#include "kernel/cgroups.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <string_view>

namespace pinwarden {
namespace {

// FILEID_KERNFS of include/linux/exportfs.h: the handle is the node's 64-bit id, which for a cgroup is the cgroup's.
constexpr int kKernfsHandle = 0xfe;

std::string read_link(const std::string& path)
{
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    return length <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::string cgroup_mountpoint(const std::string& mountinfo)
{
    // "36 35 98:0 /root /mountpoint options tags... - type source options", see proc(5).
    std::istringstream lines(mountinfo);
    for (std::string line; std::getline(lines, line);) {
        const auto separator = line.find(" - ");
        if (separator == std::string::npos || !std::string_view(line).substr(separator + 3).starts_with("cgroup2 ")) {
            continue;
        }
        std::istringstream fields(line);
        std::string skipped;
        std::string mountpoint;
        if (fields >> skipped >> skipped >> skipped >> skipped >> mountpoint) {
            return mountpoint;
        }
    }
    return {};
}

bool CgroupTree::find_mount()
{
    if (mount_.valid()) {
        return true;
    }
    const std::ifstream file("/proc/self/mountinfo");
    std::ostringstream text;
    text << file.rdbuf();
    mountpoint_ = cgroup_mountpoint(text.str());
    if (!mountpoint_.empty()) {
        mount_ = OwnedFd(open(mountpoint_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    return mount_.valid();
}

std::string CgroupTree::look_up(std::uint64_t id) const
{
    // The handle's own bytes follow the struct.
    alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof(id)> handle{};
    auto* head = ::new (handle.data()) file_handle{};
    head->handle_bytes = sizeof(id);
    head->handle_type = kKernfsHandle;
    std::memcpy(handle.data() + offsetof(file_handle, f_handle), &id, sizeof(id));
    const OwnedFd cgroup(open_by_handle_at(mount_.get(), head, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup.valid()) {
        return {};
    }
    const std::string path = read_link("/proc/self/fd/" + std::to_string(cgroup.get()));
    // It lies elsewhere when only a part of the tree is mounted here, and has a word behind it when it is being
    // removed.
    if (path == mountpoint_) {
        return "/";
    }
    return path.starts_with(mountpoint_ + "/") && access(path.c_str(), F_OK) == 0 ? path.substr(mountpoint_.size())
                                                                                  : std::string();
}

std::string CgroupTree::path(std::uint64_t id)
{
    if (const auto known = paths_.find(id); known != paths_.end()) {
        return known->second;
    }
    if (id == 0 || !find_mount()) {
        return {};
    }
    if (paths_.size() >= kPathsKept) {
        paths_.clear();
    }
    return paths_[id] = look_up(id);
}

}  // namespace pinwarden
