// Which pins keep an operation from going on.
#pragma once

#include <pinwarden/overlap.h>

#include <vector>

#include "base/clock.h"
#include "decode/event.h"
#include "ledger/ledger.h"
#include "policy/policy_set.h"

namespace pinwarden {

// The pages of its file that the operation takes away; an umount takes all of every file.
pw_page_range pages_taken(const OperationEvent& operation);

// The pins the policy is about that are in the operation's way, each once. Valid until the ledger changes.
std::vector<const PinRecord*> pins_in_the_way(const Policy& policy, const Ledger& ledger,
                                              const OperationEvent& operation, Nanoseconds now);

}  // namespace pinwarden
