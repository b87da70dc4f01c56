// What the daemon is told by signals.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace pinwarden {

class DaemonSignals {
public:
    // Blocks SIGTERM, SIGINT and SIGHUP in this thread, and so in all that it starts: from now on they wait for next().
    static Result<DaemonSignals> block();

    enum class Told : std::uint8_t { kNothing, kStop, kReload };
    // kNothing: there was none within that time.
    [[nodiscard]] Told next(std::chrono::milliseconds within) const;

private:
    explicit DaemonSignals(OwnedFd fd) : fd_(std::move(fd)) {}

    OwnedFd fd_;
};

}  // namespace pinwarden
