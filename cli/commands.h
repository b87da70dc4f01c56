// Each command, carried out. The answer is the status of pinctl.
#pragma once

#include "cli/arguments.h"
#include "cli/doctor.h"
#include "cli/session.h"

namespace pinwarden::cli {

// Pins.
int perform(const PinsCommand& command, Session& session);
int perform(const LeaksCommand& command, Session& session);
int perform(const TopCommand& command, Session& session);
int perform(const FailuresCommand& command, Session& session);
int perform(const NotifiersCommand& command, Session& session);
int perform(const WatchCommand& command, Session& session);

// Policies, and what they hold.
int perform(const PolicyApplyCommand& command, Session& session);
int perform(const PolicyListCommand& command, Session& session);
int perform(const PolicyDeleteCommand& command, Session& session);
int perform(const PolicyModeCommand& command, Session& session);
int perform(const PolicyTestCommand& command, Session& session);
int perform(const HoldsCommand& command, Session& session);
int perform(const HoldReleaseCommand& command, Session& session);

// What is known, and what was done.
int perform(const StatusCommand& command, Session& session);
int perform(const ConflictsCommand& command, Session& session);
int perform(const DoctorCommand& command, Session& session);
int perform(const SupportCommand& command, Session& session);
int perform(const ExplainCommand& command, Session& session);
int perform(const ConfigShowCommand& command, Session& session);
int perform(const AuditCommand& command, Session& session);
int perform(const CensusCommand& command, Session& session);
int perform(const AuditLogCommand& command, Session& session);

// Recordings.
int perform(const RecordCommand& command, Session& session);
int perform(const ReportCommand& command, const Arguments& arguments, const Streams& streams, const Style& style);
int perform(const DiffCommand& command, const Arguments& arguments, const Streams& streams, const Style& style);
inline int perform(const ReportCommand& command, Session& session)
{
    return perform(command, session.arguments, session.streams, session.style);
}
inline int perform(const DiffCommand& command, Session& session)
{
    return perform(command, session.arguments, session.streams, session.style);
}

// Where the daemon cannot be reached: the same by what the machine tells.
int perform(const DoctorCommand& command, const DoctorFacts& machine, const Arguments& arguments,
            const Streams& streams, const Style& style);
int perform(const SupportCommand& command, const DoctorFacts& machine, const Arguments& arguments,
            const Streams& streams);

}  // namespace pinwarden::cli
