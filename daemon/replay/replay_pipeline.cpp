#include "replay/replay_pipeline.h"

#include <google/protobuf/util/time_util.h>

#include <cerrno>
#include <utility>

namespace pinwarden {
namespace {

std::unexpected<Error> only_looked_at()
{
    return fail("this is a recording: it can be looked at, and nothing can be changed or asked of a kernel", ENOTSUP);
}

HookState hook_of(const v1::Hook& hook)
{
    return {.name = hook.name(),
            .purpose = hook.purpose(),
            .attached = hook.attached(),
            .reason = hook.reason(),
            .missed = hook.missed(),
            .needed = hook.state() != v1::HOOK_STATE_NOT_NEEDED,
            .available = hook.state() != v1::HOOK_STATE_UNAVAILABLE};
}

}  // namespace

// The daemon's own side is as it told it, the pins are as they were found again.
Result<Snapshot> ReplayPipeline::snapshot()
{
    const std::scoped_lock lock(mutex_);
    Snapshot snapshot = replay_.engine().snapshot();
    const v1::GetStatusResponse& told = replay_.last_state().status();
    snapshot.version = head_.pinwarden_version();
    snapshot.daemon_pid = told.pid();
    if (told.has_start_time()) {
        snapshot.started =
            static_cast<Nanoseconds>(google::protobuf::util::TimeUtil::TimestampToNanoseconds(told.start_time())) -
            snapshot.boot_to_unix;
    }
    snapshot.hooks.clear();
    for (const v1::Hook& hook : told.hooks()) {
        snapshot.hooks.push_back(hook_of(hook));
    }
    snapshot.losses.clear();
    for (const v1::Loss& loss : told.losses()) {
        snapshot.losses.push_back({loss.cause(), loss.count(), loss.affects_ledger()});
    }
    snapshot.notices.assign(told.notices().begin(), told.notices().end());
    snapshot.policy_generation = replay_.last_state().policies().generation();
    for (PolicyState& state : snapshot.policies) {
        for (const v1::PolicyStatus& status : replay_.last_state().policies().policies()) {
            if (status.policy().name() == state.policy.name) {
                state.state = status.state();
                state.reason = status.reason();
            }
        }
    }
    return snapshot;
}

Result<PinBatch> ReplayPipeline::pins(const PinFilter& filter, PinId from)
{
    const std::scoped_lock lock(mutex_);
    return replay_.engine().pins(filter, from);
}

Result<MetricsSnapshot> ReplayPipeline::metrics()
{
    const std::scoped_lock lock(mutex_);
    return replay_.engine().metrics();
}

Result<FailureList> ReplayPipeline::failures()
{
    const std::scoped_lock lock(mutex_);
    return replay_.engine().failures();
}

Holders ReplayPipeline::may_hold(const std::set<pw_scope_kind>& /*kinds*/)
{
    return {.by_kind = {}, .complete = false};
}

Result<NotifiersView> ReplayPipeline::notifiers()
{
    const std::scoped_lock lock(mutex_);
    return replay_.engine().notifiers();
}

Result<HoldsView> ReplayPipeline::holds()
{
    const std::scoped_lock lock(mutex_);
    return replay_.engine().holds();
}

Result<void> ReplayPipeline::release_hold(std::uint64_t /*id*/, Outcome /*outcome*/, const Requester& /*asked_by*/)
{
    return only_looked_at();
}

Result<void> ReplayPipeline::acknowledge(std::uint64_t /*revocation*/, RevocationIntent /*intent*/,
                                         const Requester& /*asked_by*/)
{
    return only_looked_at();
}

Result<AuditView> ReplayPipeline::audit(const AuditOptions& /*options*/, const AuditWatch& /*watch*/)
{
    return only_looked_at();
}

Result<std::uint64_t> ReplayPipeline::apply(std::vector<Policy> /*policies*/, bool /*validate_only*/,
                                            const Requester& /*asked_by*/,
                                            std::optional<std::uint64_t> /*if_generation*/)
{
    return only_looked_at();
}

Result<std::uint64_t> ReplayPipeline::remove(std::string /*name*/, const Requester& /*asked_by*/,
                                             std::optional<std::uint64_t> /*if_generation*/)
{
    return only_looked_at();
}

Result<std::uint64_t> ReplayPipeline::set_mode(std::string /*name*/, Mode /*mode*/, const Requester& /*asked_by*/,
                                               std::optional<std::uint64_t> /*if_generation*/)
{
    return only_looked_at();
}

Result<DryRunView> ReplayPipeline::test(DryRunQuestion /*question*/)
{
    return only_looked_at();
}

}  // namespace pinwarden
