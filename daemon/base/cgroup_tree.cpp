#include "base/cgroup_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <string_view>
#include <utility>

namespace pinwarden {
namespace {

// The kernel gives the first cgroup the first number (cgroup_setup_root() of kernel/cgroup/cgroup.c warns otherwise).
constexpr std::uint64_t kFirstCgroup = 1;

// FILEID_KERNFS of include/linux/exportfs.h: the handle is the node's 64-bit id, which for a cgroup is the cgroup's.
constexpr int kKernfsHandle = 0xfe;

// The inode number of a cgroup's folder is the cgroup's id; 0 when there is none.
std::uint64_t id_of(const std::string& folder)
{
    struct stat status = {};
    return ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) ? status.st_ino : 0;
}

std::vector<std::string> read_mountpoints()
{
    const std::ifstream file("/proc/self/mountinfo");
    std::ostringstream text;
    text << file.rdbuf();
    return cgroup_mountpoints(text.str());
}

std::string choose_tree(const std::vector<std::string>& mountpoints)
{
    const auto whole = std::ranges::find(mountpoints, kFirstCgroup, id_of);
    if (whole != mountpoints.end()) {
        return *whole;
    }
    return mountpoints.empty() ? std::string() : mountpoints.front();
}

OwnedFd open_folder(const std::string& path)
{
    return OwnedFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Where this process's cgroup namespace begins, as a folder from which all that can be seen of the tree can be reached.
// A container's own mount shows which cgroup that is, but nothing beside it.
OwnedFd open_namespace_root()
{
    const std::vector<std::string> mountpoints = read_mountpoints();
    const std::string tree = choose_tree(mountpoints);
    const auto own = std::ranges::find_if(mountpoints, [](const std::string& at) { return id_of(at) > kFirstCgroup; });
    OwnedFd whole = open_folder(tree);
    if (own == mountpoints.end() || *own == tree) {
        return whole;
    }
    return open_cgroup(whole, id_of(*own));
}

}  // namespace

std::vector<std::string> cgroup_mountpoints(const std::string& mountinfo)
{
    // "36 35 98:0 /root /mountpoint options tags... - type source options", see proc(5).
    std::vector<std::string> found;
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
            found.push_back(std::move(mountpoint));
        }
    }
    return found;
}

std::string find_cgroup_tree()
{
    return choose_tree(read_mountpoints());
}

OwnedFd open_cgroup(const OwnedFd& mount, std::uint64_t id)
{
    // The handle's own bytes follow the struct.
    alignas(file_handle) std::array<std::byte, sizeof(file_handle) + sizeof(id)> handle{};
    auto* head = ::new (handle.data()) file_handle{};
    head->handle_bytes = sizeof(id);
    head->handle_type = kKernfsHandle;
    std::memcpy(handle.data() + offsetof(file_handle, f_handle), &id, sizeof(id));
    return OwnedFd(::open_by_handle_at(mount.get(), head, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::uint64_t cgroup_called(const std::string& path)
{
    static const OwnedFd root = open_namespace_root();
    struct stat status = {};
    const std::string from_there = "." + path;
    return root.valid() && ::fstatat(root.get(), from_there.c_str(), &status, 0) == 0 ? status.st_ino : 0;
}

}  // namespace pinwarden
