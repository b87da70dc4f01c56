// Answers the API's questions about a recording.
#pragma once

#include <mutex>

#include "publish/snapshot.h"
#include "replay/replay.h"

namespace pinwarden {

// What it answers is as it was at the end of the recording. Nothing can be changed: whatever would do so fails with
// ENOTSUP.
class ReplayPipeline final : public Pipeline {
public:
    // `replay` must outlive it and be at its end.
    ReplayPipeline(Replay& replay, v1::RecordingHead head) : replay_(replay), head_(std::move(head)) {}

    Result<Snapshot> snapshot() override;
    Result<PinBatch> pins(const PinFilter& filter, PinId from) override;
    Result<MetricsSnapshot> metrics() override;
    Result<FailureList> failures() override;
    Holders may_hold(const std::set<pw_scope_kind>& kinds) override;
    Result<NotifiersView> notifiers() override;
    Result<HoldsView> holds() override;
    Result<void> release_hold(std::uint64_t id, Outcome outcome, const Requester& asked_by) override;
    Result<void> acknowledge(std::uint64_t revocation, RevocationIntent intent, const Requester& asked_by) override;
    Result<AuditView> audit(const AuditOptions& options, const AuditWatch& watch) override;
    Result<std::uint64_t> apply(std::vector<Policy> policies, bool validate_only, const Requester& asked_by,
                                std::optional<std::uint64_t> if_generation) override;
    Result<std::uint64_t> remove(std::string name, const Requester& asked_by,
                                 std::optional<std::uint64_t> if_generation) override;
    Result<std::uint64_t> set_mode(std::string name, Mode mode, const Requester& asked_by,
                                   std::optional<std::uint64_t> if_generation) override;
    Result<DryRunView> test(DryRunQuestion question) override;

private:
    std::mutex mutex_;
    Replay& replay_;
    v1::RecordingHead head_;
};

}  // namespace pinwarden
