// What the policies decide about invalidations: nothing in the kernel could stop one, so the daemon decides when it
// hears of it, by the pins that the addresses had.
#pragma once

#include <vector>

#include "correlate/invalidation.h"
#include "policy/policy_set.h"

namespace pinwarden {

// Policies and what has become of them, by slot.
struct PoliciesInForce {
    const std::vector<Policy>& policies;
    const CompiledPolicies& compiled;
};

struct InvalidationDecision {
    Decided decided;
    std::vector<PinRecord> pins;  // that the deciding policy is about
};

// The first policy that is about any of these pins decides. A policy that selects files is about the pins of pages of
// such a file that were mapped there.
InvalidationDecision decide(const PoliciesInForce& in_force, const InvalidationConflict& conflict, const Ledger& ledger,
                            Nanoseconds now);

// One sentence for people.
std::string explain(const InvalidationConflict& conflict, const Policy& policy, pw_verdict verdict);

}  // namespace pinwarden
