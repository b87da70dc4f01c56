// What the kernel's side knows of held operations, and how their callers are continued. The real one reads BPF maps and
// sends SIGCONT; tests record the calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "decode/event.h"
#include "policy/policy.h"

namespace pinwarden {

struct HeldOperation {
    std::uint64_t id = 0;
    Nanoseconds since = 0;  // when it was first held
    Nanoseconds deadline = 0;
    std::uint64_t asked = 0;   // how often the caller asked, the first time included
    OperationEvent operation;  // policy, generation and unresolved are the last decision's
};

class HoldSink {
public:
    HoldSink() = default;
    HoldSink(const HoldSink&) = delete;
    HoldSink& operator=(const HoldSink&) = delete;
    virtual ~HoldSink() = default;

    // Operations may be held until then: somebody is there who will continue their callers.
    // Why nobody can be held, if that is so: whoever was could stay stopped for ever.
    virtual std::optional<std::string> attend(Nanoseconds until) = 0;
    // How many there are. Cheap.
    [[nodiscard]] virtual std::uint64_t under_way() const = 0;
    virtual std::vector<HeldOperation> list() = 0;
    // What the operation is to come to when its caller asks next.
    virtual Result<void> release(std::uint64_t id, Outcome outcome) = 0;
    // Continues the process, if it is still the same: it asks again.
    virtual void resume(const ProcessId& process) = 0;
    // Whether the thread that called waits, stopped.
    virtual bool stopped(const Task& caller) = 0;
    // Takes away what is known of a hold whose caller did not come back.
    virtual void forget(const HeldOperation& held) = 0;
};

}  // namespace pinwarden
