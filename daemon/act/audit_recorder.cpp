#include "act/audit_recorder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pinwarden {
namespace {

constexpr Nanoseconds kMicrosecond = 1'000;

}  // namespace

AuditStamp AuditRecorder::stamp(AuditId id) const
{
    return {.id = id, .time = clock_.now() + clock_.boot_to_unix(), .left_out = left_out_ - told_left_out_};
}

// Microseconds since the epoch: also after a restart no record has the id of another, and no reader loses digits.
AuditId AuditRecorder::next_id()
{
    last_ = std::max(last_ + 1, (clock_.now() + clock_.boot_to_unix()) / kMicrosecond);
    return last_;
}

Result<void> AuditRecorder::write(const std::string& line, AuditSink::How how)
{
    auto written = sink_.append(line, how);
    if (written) {
        told_left_out_ = left_out_;
    }
    return written;
}

bool AuditRecorder::may_write()
{
    bucket_.refill(clock_.now());
    if (bucket_.empty()) {
        ++left_out_;
        return false;
    }
    bucket_.take();
    return true;
}

Result<void> AuditRecorder::write_or_count(const std::string& line, bool may_turn)
{
    auto written = write(line, {.sync = false, .may_turn = may_turn});
    if (!written) {
        ++left_out_;
    }
    return written;
}

Result<AuditId> AuditRecorder::begin(const AuditEntry& entry)
{
    const AuditId id = next_id();
    if (auto written = write(begin_record(stamp(id), entry), {.sync = true, .may_turn = true}); !written) {
        return std::unexpected(written.error());
    }
    begun_.emplace(id, entry);
    return id;
}

Result<void> AuditRecorder::complete(AuditId id, const AuditOutcome& outcome)
{
    const auto begun = begun_.extract(id);
    if (begun.empty()) {
        return fail("audit log: no record with id " + std::to_string(id) + " was begun", ENOENT);
    }
    return write(complete_record(stamp(id), begun.mapped(), outcome), {.sync = true, .may_turn = false});
}

Result<void> AuditRecorder::denied(const DenialEntry& denial)
{
    return may_write() ? write_or_count(denial_record(stamp(next_id()), denial), true) : Result<void>();
}

Result<void> AuditRecorder::held(const HoldEntry& hold)
{
    if (!may_write()) {
        return {};
    }
    const AuditId id = next_id();
    auto written = write_or_count(hold_record(stamp(id), hold), true);
    if (written) {
        holds_[hold.hold] = id;
    }
    return written;
}

Result<void> AuditRecorder::hold_ended(const HoldEntry& hold, const AuditOutcome& outcome)
{
    if (const auto begun = holds_.extract(hold.hold); !begun.empty()) {
        return write_or_count(hold_end_record(stamp(begun.mapped()), hold, outcome, true), false);
    }
    return may_write() ? write_or_count(hold_end_record(stamp(next_id()), hold, outcome, false), true) : Result<void>();
}

Result<void> AuditRecorder::acknowledged(const AcknowledgementEntry& entry)
{
    return write(acknowledgement_record(stamp(next_id()), entry), {.sync = false, .may_turn = true});
}

Result<void> AuditRecorder::step()
{
    bucket_.refill(clock_.now());
    if (left_out_ == told_left_out_ || bucket_.empty()) {
        return {};
    }
    bucket_.take();
    return write(left_out_record(stamp(next_id())), {.sync = false, .may_turn = true});
}

}  // namespace pinwarden
