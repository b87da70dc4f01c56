// Continuing a process that was stopped for a held operation.
#pragma once

#include <cstdint>

#include "decode/event.h"

namespace pinwarden {

// Sends SIGCONT, unless the process is another one by now. False when it is gone, or could not be sent to.
bool resume(const ProcessId& process);

// Whether that thread of the process is stopped, also by a tracer.
bool is_stopped(std::uint32_t pid, std::uint32_t tid);

}  // namespace pinwarden
