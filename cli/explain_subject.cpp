// What this machine tells of a file or process that is to be explained.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <sstream>
#include <system_error>

#include "cli/explain.h"

namespace pinwarden::cli {
namespace {

struct Mount {
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::string mountpoint;
    std::string filesystem;
};

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescaped(const std::string& text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ec == std::errc() && value < 256) {
            out += static_cast<char>(value);
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

// The one with this id; see proc(5).
std::optional<Mount> find_mount(std::uint64_t id)
{
    std::ifstream mountinfo("/proc/self/mountinfo");
    for (std::string line; std::getline(mountinfo, line);) {
        std::istringstream fields(line);
        std::uint64_t number = 0;
        std::string skipped;
        char colon = 0;
        Mount mount;
        fields >> number >> skipped >> mount.device_major >> colon >> mount.device_minor >> skipped >> mount.mountpoint;
        const auto separator = line.find(" - ");
        if (!fields || number != id || separator == std::string::npos) {
            continue;
        }
        std::istringstream(line.substr(separator + 3)) >> mount.filesystem;
        mount.mountpoint = unescaped(mount.mountpoint);
        return mount;
    }
    return std::nullopt;
}

std::string kind_of(unsigned mode)
{
    if (S_ISREG(mode)) {
        return "file";
    }
    return S_ISDIR(mode) ? "directory" : "other";
}

void find_file(v1::ExplainedFile& file)
{
    std::error_code error;
    std::array<char, PATH_MAX> real{};
    if (::realpath(file.name().c_str(), real.data()) == nullptr) {
        file.set_kind("missing");
        file.set_problem(std::generic_category().message(errno));
        file.set_path(std::filesystem::absolute(file.name(), error).lexically_normal().string());
        return;
    }
    file.set_path(real.data());
    struct statx status = {};
    constexpr unsigned kWanted = STATX_TYPE | STATX_INO | STATX_MNT_ID;
    if (::statx(AT_FDCWD, real.data(), AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, kWanted, &status) != 0) {
        file.set_kind("missing");
        file.set_problem(std::generic_category().message(errno));
        return;
    }
    file.set_kind(kind_of(status.stx_mode));
    v1::File& identity = *file.mutable_identity();
    identity.set_path(file.path());
    identity.set_inode(status.stx_ino);
    identity.set_device_major(status.stx_dev_major);
    identity.set_device_minor(status.stx_dev_minor);
    // What stat reports may be made up per subvolume (btrfs) or layer (overlayfs); the kernel compares by the file
    // system's own device, which is what mountinfo shows.
    if (const auto mount = find_mount(status.stx_mnt_id); mount && (status.stx_mask & STATX_MNT_ID) != 0) {
        identity.set_device_major(mount->device_major);
        identity.set_device_minor(mount->device_minor);
        identity.set_filesystem(mount->filesystem);
        file.set_mountpoint(mount->mountpoint);
    }
}

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t most)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value <= most ? std::optional(value)
                                                                                     : std::nullopt;
}

// "8:1:4711", as `pinctl pins` shows it.
bool parse_inode(const std::string& text, v1::File& file)
{
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    const auto first = text.find(':');
    const auto second = first == std::string::npos ? first : text.find(':', first + 1);
    if (second == std::string::npos) {
        return false;
    }
    const auto major = number(std::string_view(text).substr(0, first), kMost);
    const auto minor = number(std::string_view(text).substr(first + 1, second - first - 1), kMost);
    const auto inode = number(std::string_view(text).substr(second + 1), std::numeric_limits<std::uint64_t>::max());
    if (!major || !minor || !inode || *inode == 0) {
        return false;
    }
    file.set_device_major(static_cast<std::uint32_t>(*major));
    file.set_device_minor(static_cast<std::uint32_t>(*minor));
    file.set_inode(*inode);
    return true;
}

void find_process(v1::ExplainedProcess& process)
{
    const std::string folder = "/proc/" + std::to_string(process.pid());
    std::ifstream comm(folder + "/comm");
    std::string name;
    if (!std::getline(comm, name)) {
        return;
    }
    process.set_runs(true);
    process.set_comm(name);
    std::ifstream status(folder + "/status");
    std::string parent;
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("PPid:")) {
            std::istringstream(line.substr(5)) >> parent;
        }
    }
    // [kthreadd] and its children.
    if (process.pid() == 1) {
        process.set_spared("it is the machine's init");
    } else if (process.pid() == 2 || parent == "2") {
        process.set_spared("it is a kernel thread");
    }
}

}  // namespace

v1::Explanation name_subject(const std::string& subject)
{
    v1::Explanation explanation;
    if (const auto pid = number(subject, std::numeric_limits<std::int32_t>::max()); pid && *pid > 0) {
        explanation.mutable_process()->set_pid(static_cast<std::uint32_t>(*pid));
        return explanation;
    }
    v1::ExplainedFile& file = *explanation.mutable_file();
    file.set_name(subject);
    if (v1::File identity; parse_inode(subject, identity)) {
        file.set_kind("inode");
        *file.mutable_identity() = identity;
    }
    return explanation;
}

v1::Explanation find_subject(const std::string& subject)
{
    v1::Explanation explanation = name_subject(subject);
    if (explanation.has_process()) {
        find_process(*explanation.mutable_process());
    } else if (explanation.file().kind() != "inode") {
        find_file(*explanation.mutable_file());
    }
    return explanation;
}

}  // namespace pinwarden::cli
