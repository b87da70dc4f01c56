// What the kernel's side knows of itself. Reading all of it takes some sixty system calls, so it is read when somebody
// asks, or when the little that is looked at all the time says that something was lost.
#pragma once

#include <cstdint>

#include "app/engine.h"
#include "base/clock.h"
#include "kernel/ftrace_switch.h"
#include "kernel/programs.h"
#include "kernel/scopes.h"

namespace pinwarden {

class HealthReader {
public:
    HealthReader() = default;
    HealthReader(const HealthReader&) = delete;
    HealthReader& operator=(const HealthReader&) = delete;
    virtual ~HealthReader() = default;

    virtual KernelHealth read() = 0;
    // Whether the ledger may lack something since the last time this was asked, or lacks what happens now. Cheap.
    virtual bool lost_more() = 0;
};

class KernelWatch final : public HealthReader {
public:
    // All must outlive this.
    KernelWatch(const Programs& programs, const Scopes& scopes, const Clock& clock)
        : programs_(programs), scopes_(scopes), clock_(clock), ledger_losses_(programs.shared().ledger_losses)
    {
    }

    KernelHealth read() override;
    bool lost_more() override;

private:
    const Programs& programs_;
    const Scopes& scopes_;
    const Clock& clock_;
    const __u64* ledger_losses_;  // the kernel counts there
    std::uint64_t losses_ = 0;
    std::uint64_t missed_ = 0;
    Nanoseconds next_look_ = 0;
    const FtraceSwitch ftrace_;
    bool switched_off_ = false;  // as lost_more() found it
    std::uint64_t times_switched_off_ = 0;
};

}  // namespace pinwarden
