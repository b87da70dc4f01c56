// Sends signals to processes, and tells what a process is. The real one asks the kernel; tests have a list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "decode/event.h"

namespace pinwarden {

// What a process is to this daemon.
enum class Kin { kNone, kSelf, kParent };

struct ProcessFacts {
    ProcessId process;
    std::uint32_t parent = 0;                            // pid
    std::optional<std::uint32_t> uid = {};               // effective
    std::string comm;                                    // whatever the process wants it to be
    std::string executable;                              // path as the daemon sees it; empty: it cannot be read
    std::optional<std::uint32_t> executable_owner = {};  // user that file belongs to
    std::string cgroup;                                  // path in the cgroup tree; empty: not known
    bool kernel_thread = false;
    bool exiting = false;  // no thread of it runs its program any more; the kernel still takes it down
    Kin kin = Kin::kNone;
};

struct SignalOutcome {
    enum class Kind {
        kSent,
        kGone,     // the process has ended; whatever has its pid now was not touched
        kRefused,  // it is there, and must not or cannot be signalled
    };
    Kind kind = Kind::kSent;
    std::string reason = {};  // for kRefused
};

class ProcessSignals {
public:
    ProcessSignals() = default;
    ProcessSignals(const ProcessSignals&) = delete;
    ProcessSignals& operator=(const ProcessSignals&) = delete;
    virtual ~ProcessSignals() = default;

    // Signals that very process, never another one that has got its pid. Error when it cannot be told which one it is.
    virtual Result<SignalOutcome> send(const ProcessId& process, int signal) = 0;
    // All of that very process. Error code ESRCH: it has ended.
    virtual Result<ProcessFacts> facts(const ProcessId& process) = 0;
};

}  // namespace pinwarden
