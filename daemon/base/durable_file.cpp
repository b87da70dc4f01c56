#include "base/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/fd.h"

namespace pinwarden {
namespace {

constexpr mode_t kFolderMode = 0750;
constexpr std::size_t kFirstRead = 4096;

Result<void> write_synced(const std::string& path, std::string_view text, mode_t mode)
{
    const OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!fd.valid()) {
        return std::unexpected(system_error("make the file " + path, errno));
    }
    if (auto wrote = write_all(fd.get(), text); !wrote) {
        return std::unexpected(wrote.error().within(path));
    }
    if (fsync(fd.get()) != 0) {
        return std::unexpected(system_error("sync " + path, errno));
    }
    return {};
}

}  // namespace

std::string folder_of(const std::string& path)
{
    const std::string folder = std::filesystem::path(path).parent_path();
    return folder.empty() ? "." : folder;
}

Result<void> make_folder(const std::string& folder)
{
    struct stat there{};
    if (stat(folder.c_str(), &there) == 0) {
        return {};
    }
    const std::string above = folder_of(folder);
    if (above != folder) {
        if (auto made = make_folder(above); !made) {
            return made;
        }
    }
    if (mkdir(folder.c_str(), kFolderMode) != 0 && errno != EEXIST) {
        return std::unexpected(system_error("make the folder " + folder, errno));
    }
    return {};
}

Result<void> sync_folder(const std::string& folder)
{
    const OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // EINVAL: a file system that has nothing to wait for.
    if (!fd.valid() || (fsync(fd.get()) != 0 && errno != EINVAL)) {
        return std::unexpected(system_error("sync the folder " + folder, errno));
    }
    return {};
}

Result<void> write_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        const ssize_t wrote = write(fd, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return std::unexpected(system_error("write", wrote < 0 ? errno : EIO));
        }
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
}

Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode)
{
    const std::string folder = folder_of(path);
    if (auto made = make_folder(folder); !made) {
        return made;
    }
    const std::string beside = path + ".new";
    if (auto written = write_synced(beside, text, mode); !written) {
        unlink(beside.c_str());
        return written;
    }
    if (std::rename(beside.c_str(), path.c_str()) != 0) {
        const int error = errno;
        unlink(beside.c_str());
        return std::unexpected(system_error("rename " + beside + " to " + path, error));
    }
    return sync_folder(folder);
}

Result<std::string> read_small_file(const std::string& path, std::size_t most)
{
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) {
        return std::unexpected(system_error("open " + path, errno));
    }
    std::string text;
    std::size_t size = 0;
    while (size <= most) {
        if (size == text.size()) {
            text.resize(std::min(most + 1, std::max(kFirstRead, 2 * size)));
        }
        const ssize_t got = read(fd.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return std::unexpected(system_error("read " + path, errno));
        }
        if (got == 0) {
            text.resize(size);
            return text;
        }
        size += static_cast<std::size_t>(got);
    }
    return fail("read " + path + ": it has more than " + std::to_string(most) + " bytes", EFBIG);
}

}  // namespace pinwarden
