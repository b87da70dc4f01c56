// Which events are about the pins of one process.
#pragma once

#include <cstdint>

#include "publish/snapshot.h"

namespace pinwarden {

// `pid` is of a process that runs: its pins are not those of an earlier one of that number, which are orphans.
bool is_about_pins_of(std::uint32_t pid, const Notice& notice);

}  // namespace pinwarden
