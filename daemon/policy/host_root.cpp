#include "policy/host_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include "base/fd.h"

namespace pinwarden {
namespace {

// open(2) with the links of `path` followed as if `root` were the root of everything.
OwnedFd open_below(int root, const std::string& path)
{
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    return OwnedFd(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how))));
}

}  // namespace

HostRoot::HostRoot(std::string folder) : folder_(std::move(folder))
{
    folder_.resize(folder_.find_last_not_of('/') + 1);
}

std::string HostRoot::here(const std::string& path) const
{
    return path == "/" && !folder_.empty() ? folder_ : folder_ + path;
}

std::optional<std::string> HostRoot::of_machine(const std::string& here) const
{
    if (here == folder_) {
        return "/";
    }
    return here.starts_with(folder_ + "/") ? std::optional(here.substr(folder_.size())) : std::nullopt;
}

Result<std::string> HostRoot::real_path(const std::string& path) const
{
    std::array<char, PATH_MAX> real{};
    if (folder_.empty()) {
        if (::realpath(path.c_str(), real.data()) == nullptr) {
            return std::unexpected(system_error("cannot look up " + path, errno));
        }
        return std::string(real.data());
    }
    const OwnedFd root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) {
        return std::unexpected(
            system_error("cannot look up " + folder_ + ", below which this machine's files are to be", errno));
    }
    const OwnedFd found = open_below(root.get(), path);
    if (!found.valid()) {
        return std::unexpected(system_error("cannot look up " + path + " below " + folder_ +
                                                " (what is mounted on the machine must be seen there, too)",
                                            errno));
    }
    const std::string link = "/proc/self/fd/" + std::to_string(found.get());
    const ssize_t length = ::readlink(link.c_str(), real.data(), real.size());
    if (length <= 0 || static_cast<std::size_t>(length) == real.size()) {
        return std::unexpected(system_error("cannot tell where " + path + " below " + folder_ + " leads", errno));
    }
    const auto on_machine = of_machine(std::string(real.data(), static_cast<std::size_t>(length)));
    if (!on_machine) {
        return fail(path + " leads out of " + folder_, ENOENT);
    }
    return *on_machine;
}

}  // namespace pinwarden
