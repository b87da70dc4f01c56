// Where the audit log's lines go: a file that is put aside when it is full.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pinwarden {

// Takes lines. The real one is a file; tests have a list.
class AuditSink {
public:
    AuditSink() = default;
    AuditSink(const AuditSink&) = delete;
    AuditSink& operator=(const AuditSink&) = delete;
    virtual ~AuditSink() = default;

    struct How {
        bool sync = true;      // on the disk when append() returns; else a moment later
        bool may_turn = true;  // a new file may be begun for it
    };
    // `line` without its end.
    virtual Result<void> append(const std::string& line, How how) = 0;
};

struct AuditFileLimits {
    std::uint64_t bytes = 16U << 20U;  // a line that would make the file larger goes to a new one
    unsigned keep = 4;                 // old files: NAME.1, the newest, to NAME.4; 0: none
};

// What somebody moves away is left alone, and a new file begun. May be used by several threads.
class AuditFile final : public AuditSink {
public:
    // Nothing is opened yet.
    explicit AuditFile(std::string path, AuditFileLimits limits = {}, std::string what = "audit log")
        : what_(std::move(what)), path_(std::move(path)), limits_(limits)
    {
    }

    // Called with every line that was written, one after the other: must not block, nor call this object. To be set
    // before the first.
    using Written = std::function<void(const std::string& line)>;
    void on_written(Written written) { written_ = std::move(written); }

    // Opens, or makes, the file and the folders above it.
    Result<void> open();
    Result<void> append(const std::string& line, How how) override;
    // Waits until what was written is on the disk. Lines may be appended meanwhile, without `sync`.
    Result<void> sync();

    // A file as it was at one moment: the first `bytes` of it.
    struct Part {
        OwnedFd fd;
        std::uint64_t bytes = 0;
    };
    // What there is to be read now, oldest first; `meanwhile` is called when no line is being written: what it arranges
    // concerns all lines that are not in these files, and no others. Error when there is no file and none can be made,
    // or it is none that can be read again (code ESPIPE).
    Result<std::vector<Part>> parts(const std::function<Result<void>()>& meanwhile = {});

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    using File = std::shared_ptr<const OwnedFd>;

    // With mutex_ held: all of these.
    // Opens what is at the path now, unless it is open already.
    Result<void> reopen();
    Result<void> rotate();
    Result<void> make_room(std::size_t bytes);
    Result<void> write_line(const std::string& line, bool may_turn);
    [[nodiscard]] std::string numbered(unsigned number) const;
    [[nodiscard]] Error failed(const std::string& what, int code) const;

    const std::string what_;  // for messages
    const std::string path_;
    const AuditFileLimits limits_;
    Written written_;
    // Held by whoever waits for the disk, and taken before mutex_: each failure to write back is told once, and must be
    // told to the one whose line it is.
    std::mutex sync_mutex_;
    std::mutex mutex_;
    File file_;
    bool unsynced_ = false;  // something in it may not be on the disk
};

}  // namespace pinwarden
