// The engine with nothing around it that costs time: no kernel to tell, nobody to signal, nothing to write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/engine.h"
#include "support/engine_surroundings.h"
#include "support/fake_holds.h"
#include "support/fake_owners.h"
#include "support/fake_page_truth.h"
#include "support/fake_processes.h"
#include "support/fake_signals.h"
#include "support/fake_verdict_sink.h"
#include "support/records.h"
#include "support/test_clock.h"

namespace pinwarden::bench {

// Counts what it is told, and forgets it.
class QuietVerdicts final : public VerdictSink {
public:
    std::uint64_t acknowledged = 0;
    std::uint64_t untracked_runs = 0;

    Result<void> install(const CompiledPolicies& /*policies*/, std::uint32_t /*generation*/) override { return {}; }
    Result<void> acknowledge(const FileKey& /*file*/, const FileState& /*state*/, std::uint64_t /*policies*/,
                             std::uint32_t /*generation*/) override
    {
        ++acknowledged;
        return {};
    }
    Result<void> set_pin_verdict(const FileKey& /*file*/, std::uint32_t /*slot*/, std::uint32_t /*generation*/,
                                 const FileState& /*state*/) override
    {
        return {};
    }
    Result<void> clear_pin_verdict(const FileKey& /*file*/, std::uint32_t /*slot*/,
                                   std::uint32_t /*generation*/) override
    {
        return {};
    }
    [[nodiscard]] std::uint64_t cgroups_made() const override { return 0; }
    void know_cgroups(std::uint64_t /*made*/) override {}
    [[nodiscard]] std::uint64_t losses() const override { return 0; }
    void trust_ledger(std::optional<std::uint64_t> /*after_losses*/) override {}
    void tell_by_folio(bool /*on*/) override {}
    void forget_unfollowed(std::uint64_t /*pins*/) override {}
    [[nodiscard]] std::uint64_t unfollowed_made() const override { return 0; }
    [[nodiscard]] std::uint64_t unheard() const override { return 0; }
    Result<void> hear_releases(bool /*on*/) override { return {}; }
    void untrack(const std::vector<PageRun>& pages) override { untracked_runs += pages.size(); }
};

class QuietAuditLog final : public AuditLog {
public:
    Result<AuditId> begin(const AuditEntry& /*entry*/) override { return ++last_; }
    Result<void> complete(AuditId /*id*/, const AuditOutcome& /*outcome*/) override { return {}; }
    Result<void> denied(const DenialEntry& /*denial*/) override { return {}; }
    Result<void> held(const HoldEntry& /*hold*/) override { return {}; }
    Result<void> hold_ended(const HoldEntry& /*hold*/, const AuditOutcome& /*outcome*/) override { return {}; }
    Result<void> acknowledged(const AcknowledgementEntry& /*entry*/) override { return {}; }
    Result<void> step() override { return {}; }
    [[nodiscard]] std::uint64_t left_out() const override { return 0; }

private:
    AuditId last_ = 0;
};

// Names every address as raw_pin()'s stack does. The daemon's own looks it up in the kernel's list of symbols.
class TwoNames final : public StackNamer {
public:
    Frame name(std::uint64_t address) override
    {
        return address == test::raw_pin().stack[0] ? Frame{"pin_user_pages_fast", "", 5}
                                                   : Frame{"rxe_mr_init_user", "rdma_rxe", 0x4f};
    }
};

class OneCgroup final : public CgroupNamer {
public:
    std::string path(std::uint64_t /*id*/) override { return "/jobs/one"; }
};

struct QuietWorld {
    test::TestClock clock;
    QuietVerdicts verdicts;
    FakeHolds holds;
    test::Happenings happenings;
    test::FakeSignals signals{happenings};
    QuietAuditLog audit_log;
    FakePathResolver paths;
    test::FakePageTruth truth;
    test::FakeProcesses processes;
    test::FakeOwners owners;
    TwoNames names;
    OneCgroup cgroups;
    Fanout fanout{4, 64};
    std::vector<std::string> warnings;
    Engine engine{test::surroundings_of(*this, verdicts, nullptr), test::kGeometry, "bench"};
};

}  // namespace pinwarden::bench
