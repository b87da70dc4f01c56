// What would become of a file operation if it were called now: the kernel's decision, made once more from what it was
// given to decide by, and for each policy why it does not match.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "correlate/conflict.h"
#include "ledger/ledger.h"
#include "policy/policy_set.h"

namespace pinwarden {

struct DryRunCase {
    OperationEvent operation;              // what is called, on which file, by whom; no decision in it
    std::string path;                      // of the file, as it is called now; for umount of what is unmounted
    std::string filesystem;                // type
    std::vector<DirectoryId> directories;  // its own id, and those above it up to the root of its file system
};

// Of one policy.
struct PolicyFinding {
    std::string name;
    Mode mode = Mode::kMonitor;
    bool matched = false;
    bool decides = false;
    std::string reason = {};  // the first part of its match that does not hold; empty when it matches
    std::optional<Nanoseconds> matches_from = {};  // a pin is too young, and will be old enough then
};

struct DryRun {
    Conflict conflict;                    // with the verdict, and the pins in the way
    std::vector<PolicyFinding> findings;  // by slot
    std::string reason;                   // which policy decides what, or why none is asked
    std::string note;                     // what else is to be known; empty when there is nothing
};

// `compiled` is what `policies` compile to.
DryRun dry_run(const PolicySet& policies, const CompiledPolicies& compiled, const Ledger& ledger,
               const DryRunCase& what, Nanoseconds now);

// The first part of the policy's match for pins and owners that does not hold for this pin; nothing when all do.
std::optional<std::string> why_not_concerned(const Policy& policy, const PinRecord& pin, Nanoseconds now);

}  // namespace pinwarden
