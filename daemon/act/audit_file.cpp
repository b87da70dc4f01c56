#include "act/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/durable_file.h"

namespace pinwarden {
namespace {

constexpr mode_t kFileMode = 0640;

// Whether the file ends in the middle of a line: the daemon, or the machine, ended while it was written.
bool is_torn(int fd, const struct stat& file)
{
    char last = '\n';
    return S_ISREG(file.st_mode) && file.st_size > 0 && pread(fd, &last, 1, file.st_size - 1) == 1 && last != '\n';
}

}  // namespace

Error AuditFile::failed(const std::string& what, int code) const
{
    return system_error(what_ + " " + path_ + ": " + what, code);
}

std::string AuditFile::numbered(unsigned number) const
{
    return number == 0 ? path_ : path_ + "." + std::to_string(number);
}

Result<void> AuditFile::open()
{
    const std::scoped_lock lock(mutex_);
    return reopen();
}

Result<void> AuditFile::reopen()
{
    struct stat there{};
    struct stat ours{};
    const bool exists = stat(path_.c_str(), &there) == 0;
    if (exists && file_ && fstat(file_->get(), &ours) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino) {
        return {};
    }
    file_.reset();
    unsynced_ = false;
    const std::string folder = folder_of(path_);
    if (auto made = make_folder(folder); !made) {
        return std::unexpected(made.error().within(what_ + " " + path_));
    }
    OwnedFd file(::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, kFileMode));
    if (!file.valid()) {
        return std::unexpected(failed("open", errno));
    }
    if (!exists) {
        if (auto synced = sync_folder(folder); !synced) {
            return std::unexpected(synced.error().within(what_ + " " + path_));
        }
    }
    file_ = std::make_shared<const OwnedFd>(std::move(file));
    return {};
}

// The oldest file is overwritten, so that at no time there are more. What is put aside is not looked after any more, so
// it must be on the disk.
Result<void> AuditFile::rotate()
{
    if (std::exchange(unsynced_, false) && fdatasync(file_->get()) != 0) {
        return std::unexpected(failed("sync", errno));
    }
    if (limits_.keep == 0 && unlink(path_.c_str()) != 0) {
        return std::unexpected(failed("remove, to begin a new file", errno));
    }
    for (unsigned number = limits_.keep; number > 0; --number) {
        const std::string from = numbered(number - 1);
        const std::string to = numbered(number);
        if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
            return std::unexpected(failed(std::string("rename ").append(from).append(" to ").append(to), errno));
        }
    }
    return reopen();
}

Result<void> AuditFile::make_room(std::size_t bytes)
{
    struct stat file{};
    if (fstat(file_->get(), &file) != 0) {
        return std::unexpected(failed("look at it", errno));
    }
    const auto size = static_cast<std::uint64_t>(file.st_size);
    return S_ISREG(file.st_mode) && size > 0 && size + bytes > limits_.bytes ? rotate() : Result<void>();
}

// One that may not turn the file goes wherever that is by now; a full one is left for the next to put aside.
Result<void> AuditFile::write_line(const std::string& line, bool may_turn)
{
    if (auto opened = reopen(); !opened) {
        return opened;
    }
    if (auto room = may_turn ? make_room(line.size() + 1) : Result<void>(); !room) {
        return room;
    }
    struct stat file{};
    if (fstat(file_->get(), &file) != 0) {
        return std::unexpected(failed("look at it", errno));
    }
    unsynced_ = true;
    if (auto wrote = write_all(file_->get(), (is_torn(file_->get(), file) ? "\n" : "") + line + "\n"); !wrote) {
        return std::unexpected(wrote.error().within(what_ + " " + path_));
    }
    if (written_) {
        written_(line);
    }
    return {};
}

Result<void> AuditFile::append(const std::string& line, How how)
{
    std::unique_lock waiting(sync_mutex_, std::defer_lock);
    if (how.sync) {
        waiting.lock();
    }
    File file;
    {
        const std::scoped_lock lock(mutex_);
        if (auto wrote = write_line(line, how.may_turn); !wrote) {
            return wrote;
        }
        if (!how.sync) {
            return {};
        }
        file = file_;
        unsynced_ = false;
    }
    if (fdatasync(file->get()) != 0) {
        return std::unexpected(failed("sync", errno));
    }
    return {};
}

Result<void> AuditFile::sync()
{
    const std::scoped_lock waiting(sync_mutex_);
    File file;
    {
        const std::scoped_lock lock(mutex_);
        if (!std::exchange(unsynced_, false)) {
            return {};
        }
        file = file_;
    }
    if (fdatasync(file->get()) != 0) {
        return std::unexpected(failed("sync", errno));
    }
    return {};
}

Result<std::vector<AuditFile::Part>> AuditFile::parts(const std::function<Result<void>()>& meanwhile)
{
    const std::scoped_lock lock(mutex_);
    std::vector<Part> parts;
    for (unsigned number = limits_.keep + 1; number > 0; --number) {
        OwnedFd fd(::open(numbered(number - 1).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        struct stat file{};
        if (!fd.valid() || fstat(fd.get(), &file) != 0) {
            continue;
        }
        if (!S_ISREG(file.st_mode)) {
            return fail(what_ + " " + path_ + ": it is no regular file, so what was written cannot be read again",
                        ESPIPE);
        }
        parts.push_back({std::move(fd), static_cast<std::uint64_t>(file.st_size)});
    }
    // Not otherwise: it could have to wait for the disk, and nobody could write meanwhile.
    if (auto opened = parts.empty() ? reopen() : Result<void>(); !opened) {
        return std::unexpected(opened.error());
    }
    if (auto arranged = meanwhile ? meanwhile() : Result<void>(); !arranged) {
        return std::unexpected(arranged.error());
    }
    return parts;
}

}  // namespace pinwarden
