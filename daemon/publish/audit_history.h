// The audit log's files, to be read while they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "act/audit_file.h"
#include "base/clock.h"
#include "base/result.h"
#include "publish/fanout.h"

namespace pinwarden {

// The audit log as it can be read: every line that goes to the file must be published to the tail.
struct AuditLogSource {
    AuditFile& file;
    AuditTail& tail;
};

// At once; each occupies a thread of the server.
inline constexpr std::size_t kMaxAuditReaders = 8;
inline constexpr const char* kTooManyAuditReaders =
    "readers of the audit log are taken; end one of the running `pinctl audit-log`";

// What a reader wants to know of a line before it takes it.
struct AuditLineFacts {
    Nanoseconds time = 0;               // since the Unix epoch
    std::vector<std::string> policies;  // names of those it concerns
};

// Nothing for a line that is no record: torn, or written by others.
using AuditLineLook = std::function<std::optional<AuditLineFacts>(const std::string& line)>;

struct AuditWish {
    std::uint64_t last = 0;   // the newest of what is wanted; 0: all
    Nanoseconds since = 0;    // since the Unix epoch
    std::string policy = {};  // empty: any

    [[nodiscard]] bool wants(const AuditLineFacts& facts) const;
};

struct AuditLine {
    std::string text;
    std::uint64_t skipped_before = 0;  // lines since the one before that are no records
};

// Calls `take` with the wanted lines, in order, until it says false. Answers with the number of lines skipped after the
// last one taken. Reads only as much of the parts as they had when they were opened.
std::uint64_t read_audit_lines(const std::vector<AuditFile::Part>& parts, const AuditWish& wish,
                               const AuditLineLook& look, const std::function<bool(const AuditLine&)>& take);

}  // namespace pinwarden
