// Ordered start, unconditional teardown.
#pragma once

#include "app/options.h"
#include "base/result.h"

namespace pinwarden {

// Whether this kernel can run the daemon: loads the programs and lets them go again.
Result<void> probe();

// Runs until SIGTERM or SIGINT. Error: what kept it from starting; nothing is left behind then.
Result<void> run_daemon(const Options& options);

}  // namespace pinwarden
