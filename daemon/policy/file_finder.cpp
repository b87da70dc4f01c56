#include "policy/file_finder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "policy/path_resolver.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

std::string joined(const std::string& folder, const std::string& rest)
{
    if (folder != "/") {
        return folder + rest;
    }
    return rest.empty() ? folder : rest;
}

// Of the path and of the directories above it, up to `top`.
std::vector<DirectoryId> ids_up_to(const HostRoot& root, const std::string& path, const std::string& top,
                                   const std::vector<Mount>& mounts)
{
    std::vector<DirectoryId> ids;
    for (std::filesystem::path at(path); at_or_below(at.string(), top); at = at.parent_path()) {
        if (const auto id = identify(root, at.string(), mounts)) {
            ids.push_back(*id);
        }
        if (at.string() == top || at == at.parent_path()) {
            break;
        }
    }
    return ids;
}

// The kernel goes up to the root of the file system, also where only a part of it is mounted at the path: so by the
// mount that shows most of it.
std::vector<DirectoryId> directories_of(const HostRoot& root, const std::string& path, const Mount& mount,
                                        const std::vector<Mount>& mounts)
{
    std::vector<DirectoryId> ids = ids_up_to(root, path, mount.mountpoint, mounts);
    const std::string rest = mount.mountpoint == "/" ? path : path.substr(mount.mountpoint.size());
    const auto whole = find_mounted(mounts, mount.device, joined(mount.root, rest == "/" ? "" : rest));
    if (!whole || ids.empty()) {
        return ids;
    }
    const std::string top = whole->mountpoint.empty() ? "/" : whole->mountpoint;
    std::vector<DirectoryId> more = ids_up_to(root, joined(top, whole->path), top, mounts);
    // Unless something else is seen at that path.
    return !more.empty() && more.front() == ids.front() ? more : ids;
}

}  // namespace

Result<FoundFile> find_file(const HostRoot& root, const std::string& path)
{
    if (!path.starts_with('/')) {
        return std::unexpected(
            Error{"file: \"" + shorten(path) + "\" is not absolute; start it with '/'", EINVAL, "path"});
    }
    const auto real = root.real_path(path);
    if (!real) {
        return std::unexpected(real.error());
    }
    struct statx status = {};
    constexpr unsigned kWanted = STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MNT_ID;
    if (::statx(AT_FDCWD, root.here(*real).c_str(), AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, kWanted, &status) != 0) {
        return std::unexpected(system_error("cannot look up " + *real, errno));
    }
    const auto mounts = read_mounts(root);
    if (!mounts) {
        return std::unexpected(mounts.error());
    }
    const auto id = identify(root, *real, *mounts);
    if (!id) {
        return std::unexpected(id.error());
    }
    const auto mount = std::ranges::find(*mounts, status.stx_mnt_id, &Mount::id);
    if ((status.stx_mask & STATX_MNT_ID) == 0 || mount == mounts->end()) {
        return fail("cannot tell which mount " + *real + " is on", EIO);
    }
    FoundFile file{.path = *real,
                   .inode = id->inode,
                   .device = id->device,
                   .size = status.stx_size,
                   .regular = S_ISREG(status.stx_mode),
                   .filesystem = mount->filesystem,
                   .mountpoint = mount->mountpoint,
                   .directories = directories_of(root, *real, *mount, *mounts)};
    struct statvfs filesystem = {};
    if (::statvfs(root.here(*real).c_str(), &filesystem) == 0) {
        file.block_bytes = static_cast<std::uint32_t>(filesystem.f_bsize);
    }
    return file;
}

}  // namespace pinwarden
