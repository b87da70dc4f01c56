#include "kernel/cgroups.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "base/cgroup_tree.h"

namespace pinwarden {
namespace {

std::string read_link(const std::string& path)
{
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    return length <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

}  // namespace

bool CgroupTree::find_mount()
{
    if (mount_.valid()) {
        return true;
    }
    mountpoint_ = find_cgroup_tree();
    if (!mountpoint_.empty()) {
        mount_ = OwnedFd(open(mountpoint_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    return mount_.valid();
}

std::string CgroupTree::look_up(std::uint64_t id) const
{
    const OwnedFd cgroup = open_cgroup(mount_, id);
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
