// Which events are about the pins of one process.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "publish/snapshot.h"

namespace pinwarden {

// A process asks for what only an owner of pins may have, and it is not known which one it is: FAILED_PRECONDITION.
// `field`: by which it asks; empty: by calling at all.
grpc::Status unknown_process(const std::string& field);

// `pid` is of a process that runs: its pins are not those of an earlier one of that number, which are orphans.
bool is_about_pins_of(std::uint32_t pid, const Notice& notice);

}  // namespace pinwarden
