// A small process of its own that continues everybody who is held when the daemon is gone, or does not get to it.
//
// Whatever ends the daemon closes its end of a pipe; the guardian then sees to it that nobody is held any more, and
// ends. While the daemon lives but stands still, it continues those whose time is up.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/hold_table.h"

namespace pinwarden {

class Guardian {
public:
    // Forks: to be called while the process has one thread.
    // `kept_at` is where the table is kept for others: once everybody is let go, it need not be.
    static Result<std::unique_ptr<Guardian>> start(HoldTable table, const std::string& kept_at);

    Guardian(const Guardian&) = delete;
    Guardian& operator=(const Guardian&) = delete;
    // Ends it; nobody may be held any more.
    ~Guardian();

    // Whether it is there still. Once it is not, nobody may be held.
    [[nodiscard]] bool alive();

private:
    Guardian(pid_t pid, OwnedFd pipe) : pid_(pid), pipe_(std::move(pipe)) {}

    pid_t pid_;  // 0: it has ended
    OwnedFd pipe_;
};

// Continues the callers of those operations.
void continue_callers(const std::vector<pw_hold>& holds);

}  // namespace pinwarden
