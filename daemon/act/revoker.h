// Sends what revocations say is due, each signal by the same way: not to protected processes, not too many, on the
// record first, and only to the very process that is meant.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "act/audit_log.h"
#include "act/process_signals.h"
#include "act/protected_processes.h"
#include "act/revocation.h"
#include "act/token_bucket.h"
#include "base/clock.h"

namespace pinwarden {

struct ActReport {
    Act act;
    ActOutcome outcome = ActOutcome::kSent;
    std::string reason;  // why not; of a signal that was sent, what was wrong with its record afterwards
    std::optional<ProcessFacts> victim = {};  // if anything was known of it
};

// Of a process that is left alone from the beginning: kUnknownOwner, kInferredOwner.
std::string why_spared(ActOutcome outcome);

class Revoker {
public:
    // All must outlive this.
    struct Means {
        ProcessSignals& signals;
        AuditLog& log;
        TokenBuckets& buckets;
        const Clock& clock;
    };

    Revoker(Means means, ProtectedProcesses spared) : means_(means), protected_(std::move(spared)) {}

    // From now on these are spared.
    void spare(ProtectedProcesses spared) { protected_ = std::move(spared); }

    // One step of a revocation: sends what is due and tells what became of it, also of processes that it leaves alone
    // from the beginning. A report with kLimited is the last one: the policy is then to go to monitor mode.
    std::vector<ActReport> step(Revocation& revocation, const Revocation::StillPinning& still_pinning);
    // Whether that very process is there, and runs its program. True where it cannot be told.
    [[nodiscard]] bool runs(const ProcessId& process) const;
    // What the process is, and whether anything speaks against a signal; then `outcome` is no kSent. Sends nothing.
    ActReport look_at(const Act& act);

private:
    ActReport perform(const Act& act, const RevocationOrder& order);
    // With the record begun.
    ActReport send(const Act& act);

    Means means_;
    ProtectedProcesses protected_;
};

}  // namespace pinwarden
