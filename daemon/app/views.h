// From what the ledger holds to what may be shown: names instead of addresses.
#pragma once

#include "correlate/conflict.h"
#include "correlate/invalidation.h"
#include "ledger/driver.h"
#include "ledger/ledger.h"
#include "publish/conflict_history.h"
#include "publish/snapshot.h"

namespace pinwarden {

std::vector<Frame> name_stack(std::span<const std::uint64_t> stack, StackNamer& names);
PinView view_pin(PinRecord pin, const Ledger& ledger, StackNamer& names);
// Of a call with an error.
FailedPin view_failure(const PinEvent& event, StackNamer& names);
// `policy` may be nullptr: none decided.
ConflictView view_conflict(Conflict conflict, const Policy* policy);

// `policy`: the one that decided; nullptr: none.
InvalidationView view_invalidation(const InvalidationConflict& conflict, const Policy* policy, pw_verdict verdict,
                                   const Ledger& ledger, StackNamer& names);

// What is remembered of them; `policy` as above.
PastConflict past_conflict(const Conflict& conflict, const Policy* policy);
PastConflict past_invalidation(const InvalidationConflict& conflict, const Policy* policy, pw_verdict verdict);

}  // namespace pinwarden
