// What a pipeline acts upon where nothing it does shall have any effect: while a recording is replayed, or its speed is
// measured. Whoever wants to know of a call overrides it.
#pragma once

#include "act/audit_log.h"
#include "act/verdict_sink.h"

namespace pinwarden {

class NoVerdicts : public VerdictSink {
public:
    Result<void> install(const CompiledPolicies& /*policies*/, std::uint32_t /*generation*/) override { return {}; }
    Result<void> acknowledge(const FileKey& /*file*/, const FileState& /*state*/, std::uint64_t /*policies*/,
                             std::uint32_t /*generation*/) override
    {
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
    void untrack(const std::vector<PageRun>& /*pages*/) override {}
};

class NoAuditLog final : public AuditLog {
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

}  // namespace pinwarden
