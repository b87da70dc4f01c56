// Processes that a test signals, and a log that keeps what it is told, both writing into one list of what happened.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "act/audit_log.h"
#include "act/process_signals.h"

namespace pinwarden::test {

// "begin 7 SIGTERM", "send 7 SIGTERM", "complete sent": process ids, in order.
using Happenings = std::vector<std::string>;

class FakeSignals final : public ProcessSignals {
public:
    explicit FakeSignals(Happenings& happenings) : happenings_(happenings) {}

    // An ordinary process.
    ProcessFacts& add(const ProcessId& process)
    {
        ProcessFacts& facts = processes[process];
        facts.process = process;
        facts.uid = 1000;
        facts.comm = "worker";
        facts.executable = "/usr/bin/worker";
        facts.executable_owner = 0;
        return facts;
    }

    Result<SignalOutcome> send(const ProcessId& process, int signal) override
    {
        if (!processes.contains(process)) {
            return SignalOutcome{SignalOutcome::Kind::kGone};
        }
        if (answer) {
            return *answer;
        }
        happenings_.push_back("send " + std::to_string(process.pid) + " " + signal_name(signal));
        return SignalOutcome{SignalOutcome::Kind::kSent};
    }

    Result<ProcessFacts> facts(const ProcessId& process) override
    {
        if (unreadable) {
            return std::unexpected(*unreadable);
        }
        const auto found = processes.find(process);
        return found == processes.end() ? fail("it has ended", ESRCH) : Result<ProcessFacts>(found->second);
    }

    std::map<ProcessId, ProcessFacts> processes;
    std::optional<Result<SignalOutcome>> answer;  // instead of sending
    std::optional<Error> unreadable;

private:
    Happenings& happenings_;
};

class FakeAuditLog final : public AuditLog {
public:
    explicit FakeAuditLog(Happenings& happenings) : happenings_(happenings) {}

    Result<AuditId> begin(const AuditEntry& entry) override
    {
        if (full) {
            return fail("audit log: no space left", ENOSPC);
        }
        std::visit([this](const auto& one) { keep(one); }, entry);
        if (meanwhile) {
            meanwhile();
        }
        return ++last_;
    }

    Result<void> complete(AuditId id, const AuditOutcome& outcome) override
    {
        happenings_.push_back("complete " + outcome.result);
        outcomes[id] = outcome;
        return incomplete ? Result<void>(fail("audit log: not completed", EIO)) : Result<void>();
    }

    Result<void> denied(const DenialEntry& denial) override
    {
        denials.push_back(denial);
        return full ? fail("audit log: no space left", ENOSPC) : Result<void>();
    }
    Result<void> held(const HoldEntry& hold) override
    {
        holds.push_back(hold);
        return full ? fail("audit log: no space left", ENOSPC) : Result<void>();
    }
    Result<void> hold_ended(const HoldEntry& hold, const AuditOutcome& outcome) override
    {
        ended_holds.emplace_back(hold, outcome);
        return full ? fail("audit log: no space left", ENOSPC) : Result<void>();
    }
    Result<void> acknowledged(const AcknowledgementEntry& entry) override
    {
        acknowledgements.push_back(entry);
        return full ? fail("audit log: no space left", ENOSPC) : Result<void>();
    }
    Result<void> step() override { return {}; }
    [[nodiscard]] std::uint64_t left_out() const override { return 0; }

    std::vector<SignalEntry> entries;
    std::vector<PolicyEntry> policies;
    std::vector<ReleaseEntry> releases;
    std::vector<DenialEntry> denials;
    std::vector<AcknowledgementEntry> acknowledgements;
    std::vector<HoldEntry> holds;
    std::vector<std::pair<HoldEntry, AuditOutcome>> ended_holds;
    std::map<AuditId, AuditOutcome> outcomes;
    std::function<void()> meanwhile;  // while a record is written
    bool full = false;
    bool incomplete = false;

private:
    void keep(const SignalEntry& entry)
    {
        happenings_.push_back("begin " + std::to_string(entry.victim.process.pid) + " " + signal_name(entry.signal));
        entries.push_back(entry);
    }
    void keep(const PolicyEntry& entry)
    {
        happenings_.push_back("begin " + entry.action);
        policies.push_back(entry);
    }
    void keep(const ReleaseEntry& entry)
    {
        happenings_.push_back("begin release " + std::to_string(entry.hold.hold));
        releases.push_back(entry);
    }

    Happenings& happenings_;
    AuditId last_ = 0;
};

}  // namespace pinwarden::test
