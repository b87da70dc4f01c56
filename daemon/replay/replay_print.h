// `pinwardend --replay FILE`.
#pragma once

#include <string>

#include "base/result.h"

namespace pinwarden {

// Prints every event as a line of JSON, as WatchEvents sends them, then on standard error how it ended. Error: it is no
// recording, it is damaged, or the pipeline came to other pins than the daemon that recorded.
Result<void> print_replay(const std::string& path);

}  // namespace pinwarden
