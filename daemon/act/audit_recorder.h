// Which records are written, and how: each with an id of its own, what must be there before the act waits for the disk,
// and what may come in storms is limited.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "act/audit_file.h"
#include "act/audit_log.h"
#include "act/audit_records.h"
#include "act/token_bucket.h"
#include "base/clock.h"

namespace pinwarden {

// Owned by the pipeline thread.
class AuditRecorder final : public AuditLog {
public:
    // Denials and holds: that many at once, then one every so often. A file of 16 MiB is full of them after an hour.
    static constexpr BucketSize kLimit{100, 100'000'000};

    // Both must outlive this.
    AuditRecorder(AuditSink& sink, const Clock& clock, BucketSize limit = kLimit)
        : sink_(sink), clock_(clock), bucket_(limit, clock.now())
    {
    }

    Result<AuditId> begin(const AuditEntry& entry) override;
    Result<void> complete(AuditId id, const AuditOutcome& outcome) override;
    Result<void> denied(const DenialEntry& denial) override;
    Result<void> held(const HoldEntry& hold) override;
    // Always recorded where the beginning is: holds are bounded by those.
    Result<void> hold_ended(const HoldEntry& hold, const AuditOutcome& outcome) override;
    Result<void> acknowledged(const AcknowledgementEntry& entry) override;
    Result<void> step() override;
    [[nodiscard]] std::uint64_t left_out() const override { return left_out_; }

private:
    // Of a record that is written now.
    [[nodiscard]] AuditStamp stamp(AuditId id) const;
    AuditId next_id();
    Result<void> write(const std::string& line, AuditSink::How how);
    // Whether one that may be left out is not to be; else it is counted.
    bool may_write();
    // What may be left out; one that cannot be written is.
    Result<void> write_or_count(const std::string& line, bool may_turn);

    AuditSink& sink_;
    const Clock& clock_;
    TokenBucket bucket_;
    AuditId last_ = 0;
    std::uint64_t left_out_ = 0;
    std::uint64_t told_left_out_ = 0;  // of these
    std::map<AuditId, AuditEntry> begun_;
    std::map<std::uint64_t, AuditId> holds_;  // records of holds that have not ended
};

}  // namespace pinwarden
