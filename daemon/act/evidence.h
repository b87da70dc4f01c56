// On what ground a process is signalled, as plain data.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "decode/event.h"
#include "ledger/records.h"

namespace pinwarden {

// The operation that met pins.
struct MetOperation {
    std::string operation;  // "truncate", "umount" …
    std::string file;       // path; empty: not known
    std::uint64_t first_page = 0;
    std::uint64_t end_page = 0;
    Task caller;
};

// What one process holds of the pins that are in its way.
struct HeldPins {
    std::vector<PinId> pins;
    std::uint64_t bytes = 0;
    std::set<std::string> drivers;
};

}  // namespace pinwarden
