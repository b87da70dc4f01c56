#include "act/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <span>
#include <utility>

#include "act/json_object.h"

namespace pinwarden {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kMicrosecond = 1'000;
constexpr mode_t kFileMode = 0640;
constexpr mode_t kFolderMode = 0750;

// Of one owner's pins, this many are listed: the record says who was hit and why, not all of the ledger.
constexpr std::size_t kPinsListed = 64;

std::string folder_of(const std::string& path)
{
    const std::string folder = std::filesystem::path(path).parent_path();
    return folder.empty() ? "." : folder;
}

JsonObject victim_json(const ProcessFacts& victim)
{
    JsonObject json;
    json.number("pid", victim.process.pid);
    // As text: beyond 104 days after boot, a reader with floating-point numbers would lose its last digits.
    json.text("start_time", std::to_string(victim.process.start_time));
    json.number("uid", victim.uid);
    json.text("comm", victim.comm);
    json.text("executable", victim.executable);
    json.text("cgroup", victim.cgroup);
    return json;
}

JsonObject evidence_json(const MetOperation& operation, const HeldPins& held)
{
    JsonObject range;
    range.number("first_page", operation.first_page).number("end_page", operation.end_page);
    JsonObject caller;
    caller.number("pid", operation.caller.process.pid);
    caller.number("uid", operation.caller.uid);
    caller.text("comm", operation.caller.comm);
    const std::vector<std::string> drivers(held.drivers.begin(), held.drivers.end());
    JsonObject json;
    json.text("operation", operation.operation);
    json.object("caller", caller);
    json.text("file", operation.file);
    json.object("range", range);
    json.numbers("pins", std::span(held.pins).first(std::min(held.pins.size(), kPinsListed)));
    json.number("pin_count", held.pins.size());
    json.number("bytes", held.bytes);
    json.texts("drivers", drivers);
    return json;
}

std::optional<JsonObject> requester_json(const std::optional<Requester>& requester)
{
    if (!requester) {
        return std::nullopt;
    }
    return JsonObject().number("uid", requester->uid).number("pid", requester->pid);
}

// Makes the folder and those above it. One that is there is left as it is.
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

// A file that was just made, or renamed, has that name for good only once its folder is on the disk.
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

// Whether the file ends in the middle of a line: the daemon, or the machine, ended while it was written.
bool is_torn(int fd, const struct stat& file)
{
    char last = '\n';
    return S_ISREG(file.st_mode) && file.st_size > 0 && pread(fd, &last, 1, file.st_size - 1) == 1 && last != '\n';
}

}  // namespace

std::string format_utc(Nanoseconds unix_time)
{
    const auto seconds = static_cast<std::time_t>(unix_time / kSecond);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> date{};
    const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const std::string fraction = std::to_string(kSecond + unix_time % kSecond).substr(1);
    return std::string(date.data(), length) + "." + fraction + "Z";
}

FileAuditLog::FileAuditLog(std::string path, const Clock& clock, AuditFileLimits limits)
    : path_(std::move(path)), clock_(clock), limits_(limits)
{
}

Error FileAuditLog::failed(const std::string& what, int code) const
{
    return system_error("audit log " + path_ + ": " + what, code);
}

std::string FileAuditLog::time() const
{
    return format_utc(clock_.now() + clock_.boot_to_unix());
}

Result<void> FileAuditLog::open()
{
    return reopen();
}

Result<void> FileAuditLog::reopen()
{
    struct stat there{};
    struct stat ours{};
    const bool exists = stat(path_.c_str(), &there) == 0;
    if (exists && file_.valid() && fstat(file_.get(), &ours) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino) {
        return {};
    }
    file_.reset();
    const std::string folder = folder_of(path_);
    if (auto made = make_folder(folder); !made) {
        return std::unexpected(made.error().within("audit log " + path_));
    }
    OwnedFd file(::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, kFileMode));
    if (!file.valid()) {
        return std::unexpected(failed("open", errno));
    }
    if (!exists) {
        if (auto synced = sync_folder(folder); !synced) {
            return std::unexpected(synced.error().within("audit log " + path_));
        }
    }
    file_ = std::move(file);
    return {};
}

// The oldest file is overwritten, so that at no time there are more.
Result<void> FileAuditLog::rotate()
{
    if (limits_.keep == 0 && unlink(path_.c_str()) != 0) {
        return std::unexpected(failed("remove, to begin a new file", errno));
    }
    for (unsigned number = limits_.keep; number > 0; --number) {
        const std::string from = number == 1 ? path_ : path_ + "." + std::to_string(number - 1);
        const std::string to = path_ + "." + std::to_string(number);
        if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
            return std::unexpected(failed(std::string("rename ").append(from).append(" to ").append(to), errno));
        }
    }
    return reopen();
}

Result<void> FileAuditLog::make_room(std::size_t bytes)
{
    struct stat file{};
    if (fstat(file_.get(), &file) != 0) {
        return std::unexpected(failed("look at it", errno));
    }
    const auto size = static_cast<std::uint64_t>(file.st_size);
    return S_ISREG(file.st_mode) && size > 0 && size + bytes > limits_.bytes ? rotate() : Result<void>();
}

Result<void> FileAuditLog::append(std::string line)
{
    struct stat file{};
    if (fstat(file_.get(), &file) != 0) {
        return std::unexpected(failed("look at it", errno));
    }
    line = (is_torn(file_.get(), file) ? "\n" : "") + line + "\n";
    if (auto wrote = write_all(file_.get(), line); !wrote) {
        return std::unexpected(wrote.error().within("audit log " + path_));
    }
    if (fdatasync(file_.get()) != 0) {
        return std::unexpected(failed("sync", errno));
    }
    return {};
}

Result<AuditId> FileAuditLog::begin(const AuditEntry& entry)
{
    const Nanoseconds now = clock_.now() + clock_.boot_to_unix();
    // Microseconds since the epoch: also after a restart no record has the id of another, and no reader loses digits.
    const AuditId id = std::max(last_ + 1, now / kMicrosecond);
    last_ = id;
    JsonObject action;
    action.text("signal", signal_name(entry.signal)).text("target", to_string(entry.target));
    JsonObject record;
    record.text("time", format_utc(now)).number("id", id).text("phase", "begin");
    record.text("policy", entry.policy).number("generation", entry.generation).text("rule", entry.rule);
    record.object("action", action);
    record.object("victim", victim_json(entry.victim));
    record.object("evidence", evidence_json(entry.operation, entry.held));
    record.object("asked_by", requester_json(entry.asked_by));
    const std::string line = record.str();
    auto written = reopen();
    if (written) {
        written = make_room(line.size() + 1);
    }
    if (written) {
        written = append(line);
    }
    if (!written) {
        return fail(written.error().message +
                        "; no signal is sent without its record: make room, or mend what keeps it from being written",
                    written.error().code);
    }
    return id;
}

// Goes wherever the file is by now; a file that is full is left for the next record to begin.
Result<void> FileAuditLog::complete(AuditId id, const AuditOutcome& outcome)
{
    JsonObject record;
    record.text("time", time()).number("id", id).text("phase", "complete");
    record.text("outcome", outcome.result).text("reason", outcome.reason).number("took_ns", outcome.took);
    if (auto opened = reopen(); !opened) {
        return opened;
    }
    return append(record.str());
}

}  // namespace pinwarden
