#include "policy/path_resolver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/cgroup_tree.h"
#include "ledger/owner_names.h"

namespace pinwarden {
namespace {

// As the kernel keeps dev_t itself; the user API's dev_t is laid out differently.
std::uint32_t kernel_device(std::uint32_t major, std::uint32_t minor)
{
    return major << 20U | minor;
}

template <typename Number>
bool parse_number(std::string_view text, Number& into)
{
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto parsed = std::from_chars(begin, end, into);
    return parsed.ec == std::errc{} && parsed.ptr == end;
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string undo_octal(std::string_view text)
{
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

// "36 35 98:0 /root /mountpoint options [tags ...] - type source options", see proc(5).
std::optional<Mount> parse_line(const std::string& line)
{
    std::istringstream fields(line);
    std::string id;
    std::string parent;
    std::string device;
    std::string root;
    std::string mountpoint;
    if (!(fields >> id >> parent >> device >> root >> mountpoint)) {
        return std::nullopt;
    }
    const std::string_view numbers = device;
    const auto colon = numbers.find(':');
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    Mount mount;
    if (colon == std::string_view::npos || !parse_number(numbers.substr(0, colon), major) ||
        !parse_number(numbers.substr(colon + 1), minor) || !parse_number(std::string_view(id), mount.id)) {
        return std::nullopt;
    }
    mount.device = kernel_device(major, minor);
    mount.root = undo_octal(root);
    mount.mountpoint = undo_octal(mountpoint);
    // Options and optional fields end with a dash; then comes "type" or "type.subtype".
    for (std::string field; fields >> field;) {
        if (field == "-") {
            fields >> mount.filesystem;
            mount.filesystem.resize(std::min(mount.filesystem.find('.'), mount.filesystem.size()));
            break;
        }
    }
    return mount;
}

bool is_absent(const Error& error)
{
    return error.code == ENOENT || error.code == ENOTDIR;
}

}  // namespace

Result<std::vector<Mount>> read_mounts(const HostRoot& root)
{
    std::ifstream file("/proc/self/mountinfo");
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) {
        return fail("cannot read /proc/self/mountinfo: mounts below a path prefix would be missed; is /proc mounted?",
                    EIO);
    }
    std::vector<Mount> mounts = parse_mountinfo(text.str());
    std::erase_if(mounts, [&](Mount& mount) {
        auto there = root.of_machine(mount.mountpoint);
        const bool of_machine = there.has_value();
        mount.mountpoint = std::move(there).value_or("");
        return !of_machine;
    });
    return mounts;
}

Result<DirectoryId> identify(const HostRoot& root, const std::string& path, const std::vector<Mount>& mounts)
{
    struct statx status = {};
    if (::statx(AT_FDCWD, root.here(path).c_str(), AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID,
                &status) != 0) {
        return std::unexpected(system_error("cannot look up " + path, errno));
    }
    // The device that stat reports may be made up per subvolume (btrfs) or layer (overlayfs); in the kernel a file is
    // compared by its file system's own, which is what mountinfo shows.
    const auto mount = std::ranges::find(mounts, status.stx_mnt_id, &Mount::id);
    const bool known = (status.stx_mask & STATX_MNT_ID) != 0 && mount != mounts.end();
    const std::uint32_t device = known ? mount->device : kernel_device(status.stx_dev_major, status.stx_dev_minor);
    return DirectoryId{status.stx_ino, device};
}

namespace {

// The inode number of a cgroup's directory is the cgroup's id.
std::optional<std::uint64_t> cgroup_id(const std::string& directory)
{
    struct stat status = {};
    return ::stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) ? std::optional(status.st_ino)
                                                                              : std::nullopt;
}

}  // namespace

std::vector<Mount> parse_mountinfo(const std::string& text)
{
    std::vector<Mount> mounts;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (auto mount = parse_line(line)) {
            mounts.push_back(std::move(*mount));
        }
    }
    return mounts;
}

std::optional<MountedPath> find_mounted(const std::vector<Mount>& mounts, std::uint32_t device, const std::string& path)
{
    const Mount* best = nullptr;
    for (const Mount& mount : mounts) {
        const bool shows = mount.device == device && at_or_below(path, mount.root);
        // Of several the one that shows most of the file system, and of those the first.
        if (shows && (best == nullptr || mount.root.size() < best->root.size())) {
            best = &mount;
        }
    }
    if (best == nullptr) {
        return std::nullopt;
    }
    const auto whole = [](const std::string& directory) { return directory == "/" ? std::string() : directory; };
    const std::string root = whole(best->root);
    return MountedPath{whole(best->mountpoint), root, path.substr(root.size())};
}

std::optional<MountedPath> SystemPathResolver::mounted(std::uint32_t device, const std::string& path)
{
    if (auto found = find_mounted(mounts_, device, path)) {
        return found;
    }
    auto mounts = read_mounts(root_);
    if (!mounts) {
        return std::nullopt;
    }
    mounts_ = std::move(*mounts);
    return find_mounted(mounts_, device, path);
}

namespace {

// What is at a path now.
struct Found {
    std::string path;  // symbolic links followed
    DirectoryId id;
    std::vector<Mount> mounts;
};

// Nothing when the path does not exist (yet).
Result<std::optional<Found>> find_at(const HostRoot& root, const std::string& path)
{
    const auto absent = [](const Error& error) -> Result<std::optional<Found>> {
        return is_absent(error) ? Result<std::optional<Found>>(std::nullopt) : std::unexpected(error);
    };
    auto real = root.real_path(path);
    if (!real) {
        return absent(real.error());
    }
    auto mounts = read_mounts(root);
    if (!mounts) {
        return std::unexpected(mounts.error());
    }
    const auto id = identify(root, *real, *mounts);
    if (!id) {
        return absent(id.error());
    }
    return Found{std::move(*real), *id, std::move(*mounts)};
}

}  // namespace

// In the kernel a file is matched by walking from its dentry up through its parents, looking each one up among the ids
// returned here. That walk ends at the root of the file's own file system: it does not step over to the mountpoint. So
// a plain directory inside a mount is found by its own id, but whatever is mounted below the prefix needs its root
// listed.
Result<ResolvedPath> SystemPathResolver::resolve(const std::string& path)
{
    const auto at = find_at(root_, path);
    if (!at) {
        return std::unexpected(at.error());
    }
    if (!*at) {
        return ResolvedPath{path, {}};
    }
    const auto& [real, own, mounts] = **at;
    std::set<DirectoryId> found = {own};
    for (const Mount& mount : mounts) {
        if (!at_or_below(mount.mountpoint, real)) {
            continue;
        }
        // One that cannot be looked up is gone again, or hidden below another mount: no path leads there.
        if (const auto top = identify(root_, mount.mountpoint, mounts)) {
            found.insert(*top);
        }
    }
    return ResolvedPath{real, {found.begin(), found.end()}};
}

// Of several mounts on top of each other statx() sees the uppermost.
Result<ResolvedPath> SystemPathResolver::mounted_at(const std::string& path)
{
    const auto at = find_at(root_, path);
    if (!at) {
        return std::unexpected(at.error());
    }
    const bool mounted =
        *at && std::ranges::find((*at)->mounts, (*at)->path, &Mount::mountpoint) != (*at)->mounts.end();
    return mounted ? ResolvedPath{(*at)->path, {(*at)->id}} : ResolvedPath{path, {}};
}

// In the kernel a program is found by its directory entry, which another file may take over, as updates do.
Result<std::optional<ProgramId>> SystemPathResolver::program(const std::string& path)
{
    const auto real = root_.real_path(path);
    if (real && *real != path) {
        return fail("\"" + path + "\" is a symbolic link, or leads through one; write the program it leads to, \"" +
                        *real + "\"",
                    EINVAL);
    }
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == 0 ? "/" : path.substr(0, slash);
    const auto at = find_at(root_, folder);
    if (!at) {
        return std::unexpected(at.error());
    }
    return *at ? std::optional(ProgramId{(*at)->id, path.substr(slash + 1)}) : std::nullopt;
}

std::optional<std::uint64_t> SystemPathResolver::cgroup(const std::string& path)
{
    const std::string tree = find_cgroup_tree();
    return tree.empty() ? std::nullopt : cgroup_id(path == "/" ? tree : tree + path);
}

std::vector<std::uint64_t> SystemPathResolver::container(const std::string& id)
{
    std::vector<std::uint64_t> found;
    const std::string tree = find_cgroup_tree();
    if (tree.empty()) {
        return found;
    }
    // Cgroups come and go while this looks: one that is gone is no error, and one that comes is seen the next time.
    std::error_code error;
    std::filesystem::recursive_directory_iterator entry(
        tree, std::filesystem::directory_options::skip_permission_denied, error);
    while (!error && entry != std::filesystem::recursive_directory_iterator()) {
        std::error_code gone;
        if (entry->is_directory(gone) && container_of_cgroup(entry->path().string().substr(tree.size())) == id) {
            if (const auto cgroup = cgroup_id(entry->path())) {
                found.push_back(*cgroup);
            }
        }
        entry.increment(error);
    }
    return found;
}

}  // namespace pinwarden
