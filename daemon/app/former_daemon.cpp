#include "app/former_daemon.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <string>
#include <utility>

#include "kernel/kept_links.h"

namespace pinwarden {
namespace {

void forget_kept()
{
    if (auto forgotten = forget_kept_links(); !forgotten) {
        spdlog::warn("what an earlier daemon left in force stays so: {}", forgotten.error().message);
    }
}

// The name of the policy that decided, where its number means the same as when the names were written down.
std::string policy_of(const OperationEvent& event, const CheckpointHead& head)
{
    const auto slot = static_cast<std::size_t>(event.policy);
    const bool known = event.policy >= 0 && event.generation == head.generation && slot < head.policies.size();
    return known ? head.policies[slot] : std::string();
}

void tell_operations(Engine& engine, FormerLedger& former)
{
    former.refresh();
    std::size_t denied = 0;
    for (Conflict& conflict : former.take_conflicts()) {
        denied += conflict.operation.verdict == PW_VERDICT_DENY ? 1U : 0U;
        const std::string policy = policy_of(conflict.operation, former.head());
        engine.tell_unattended(std::move(conflict), policy);
    }
    if (former.taken_over() > 0) {
        spdlog::info("{} pinned pages are taken over from the daemon before", former.taken_over());
    }
    if (denied > 0) {
        spdlog::info("{} operations were denied while no daemon was there to hear of it; `pinctl conflicts` shows them",
                     denied);
    }
    if (former.conflicts_left_out() > 0) {
        spdlog::warn("{} more operations met pins meanwhile, and are not shown", former.conflicts_left_out());
    }
}

}  // namespace

FormerDaemon::FormerDaemon(const PinKeeper* keeper, ProcessTable& processes)
{
    if (keeper == nullptr) {
        return;
    }
    auto left = std::make_shared<Left>();
    auto ledger =
        keeper->former(left->cgroups, [&processes](const ProcessId& process) { return processes.gone(process); });
    if (ledger) {
        left->ledger = std::move(*ledger);
        left_ = std::move(left);
    } else if (ledger.error().code != ENOENT) {
        spdlog::warn("what the daemon before knew of pins is lost, and they are looked for in memory alone: {}",
                     ledger.error().message);
    }
}

void FormerDaemon::ends_at(Nanoseconds time)
{
    if (left_) {
        left_->ledger->seen_from(time);
    }
}

void FormerDaemon::hand_over(PipelineThread& pipeline, bool census)
{
    if (!census) {
        forget_kept();
        left_.reset();
        *over_ = true;
        return;
    }
    *over_ = left_ == nullptr;
    pipeline.on_engine([left = std::exchange(left_, nullptr), over = over_](Engine& engine) {
        const auto done = [&engine, left, over] {
            if (left) {
                tell_operations(engine, *left->ledger);
            }
            forget_kept();
            *over = true;
        };
        engine.adopt_what_is_pinned(done, left ? left->ledger.get() : nullptr);
    });
}

}  // namespace pinwarden
