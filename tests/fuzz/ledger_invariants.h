// What holds for a ledger after every event, lost or invented ones among them.
#pragma once

#include "ledger/ledger.h"

namespace pinwarden::fuzz {

void check_invariants(const Ledger& ledger);

}  // namespace pinwarden::fuzz
