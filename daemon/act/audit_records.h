// The records of the audit log as text: one JSON object each, without the line's end. docs/audit-log.md tells the
// fields.
#pragma once

#include <string>
#include <string_view>

#include "act/audit_log.h"

namespace pinwarden {

// What every record has. `time`: nanoseconds since the Unix epoch. `left_out`: since the record before this one.
struct AuditStamp {
    AuditId id = 0;
    Nanoseconds time = 0;
    std::uint64_t left_out = 0;
};

std::string begin_record(const AuditStamp& stamp, const AuditEntry& entry);
// The end of one that was begun with that entry.
std::string complete_record(const AuditStamp& stamp, const AuditEntry& entry, const AuditOutcome& outcome);
std::string denial_record(const AuditStamp& stamp, const DenialEntry& denial);
std::string hold_record(const AuditStamp& stamp, const HoldEntry& hold);
// `begun`: whether there is a record of its beginning, with the same id. Without one this tells all.
std::string hold_end_record(const AuditStamp& stamp, const HoldEntry& hold, const AuditOutcome& outcome, bool begun);
std::string acknowledgement_record(const AuditStamp& stamp, const AcknowledgementEntry& entry);
std::string left_out_record(const AuditStamp& stamp);

// "letting_go", "cannot".
std::string_view to_string(RevocationIntent intent);

// "2026-11-26T04:16:53.000000005Z", from nanoseconds since the Unix epoch.
std::string format_utc(Nanoseconds unix_time);

}  // namespace pinwarden
