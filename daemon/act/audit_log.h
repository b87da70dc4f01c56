// The record of every signal that is sent: written before it is, and completed after.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "act/evidence.h"
#include "act/process_signals.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "policy/signals.h"

namespace pinwarden {

// An operator, as the kernel says who is at the other end of his socket.
struct Requester {
    std::uint32_t uid = 0;
    std::uint32_t pid = 0;
};

struct AuditEntry {
    std::string policy;
    std::uint32_t generation = 0;
    std::string rule;  // part of the policy: "revoke.notify", "revoke.then[2]", "signal.signals[0]"
    int signal = 0;
    SignalTarget target = SignalTarget::kOwners;
    ProcessFacts victim;
    MetOperation operation;
    HeldPins held;
    std::optional<Requester> asked_by = {};  // nothing: nobody, the policy itself
};

struct AuditOutcome {
    std::string result;  // "sent", "gone" …
    std::string reason;
    Nanoseconds took = 0;  // since the record was begun
};

using AuditId = std::uint64_t;

class AuditLog {
public:
    AuditLog() = default;
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;
    virtual ~AuditLog() = default;

    // Whether a record could be written now, as far as that can be told without writing one.
    virtual Result<void> open() = 0;
    // The record is on the disk when this returns. On error there is none, and the act must not be done.
    virtual Result<AuditId> begin(const AuditEntry& entry) = 0;
    virtual Result<void> complete(AuditId id, const AuditOutcome& outcome) = 0;
};

struct AuditFileLimits {
    std::uint64_t bytes = 16U << 20U;  // a record that would make the file larger goes to a new one
    unsigned keep = 4;                 // old files: NAME.1, the newest, to NAME.4; 0: none
};

// One JSON object per line, docs/audit-log.md tells the fields. A record that was begun and never completed tells that
// the daemon ended in between, or that the disk failed: whether the signal was sent is then not known. What somebody
// moves away is left alone, and a new file begun.
class FileAuditLog final : public AuditLog {
public:
    // `clock` must outlive this. Nothing is opened yet.
    FileAuditLog(std::string path, const Clock& clock, AuditFileLimits limits = {});

    // Opens, or makes, the file and the folders above it.
    Result<void> open() override;

    Result<AuditId> begin(const AuditEntry& entry) override;
    Result<void> complete(AuditId id, const AuditOutcome& outcome) override;

private:
    // Opens what is at the path now, unless it is open already.
    Result<void> reopen();
    Result<void> rotate();
    Result<void> make_room(std::size_t bytes);
    // Appends a line and waits until it is on the disk.
    Result<void> append(std::string line);
    [[nodiscard]] Error failed(const std::string& what, int code) const;
    [[nodiscard]] std::string time() const;

    std::string path_;
    const Clock& clock_;
    AuditFileLimits limits_;
    OwnedFd file_;
    AuditId last_ = 0;
};

// "2026-11-26T04:16:53.000000005Z", from nanoseconds since the Unix epoch.
std::string format_utc(Nanoseconds unix_time);

}  // namespace pinwarden
