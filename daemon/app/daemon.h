// Ordered start, unconditional teardown.
#pragma once

#include "app/configuration.h"
#include "base/result.h"

namespace pinwarden {

// Whether this kernel can run the daemon: loads the programs and lets them go again.
Result<void> probe();
// Continues whoever a daemon that was killed left stopped in a held operation.
Result<void> release_holds();
// Ends what policies left in force when their daemon ended.
Result<void> release_kept();
// See repair.h; prints what was done, and what is left to do.
Result<void> mend(const Options& options);

// Runs until SIGTERM or SIGINT; on SIGHUP it reads the configuration of that command line anew. Error: what kept it
// from starting; nothing is left behind then.
Result<void> run_daemon(const CommandLine& line, const Configuration& configuration);

}  // namespace pinwarden
