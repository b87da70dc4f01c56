#include "app/kernel_watch.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "app/losses.h"

namespace pinwarden {
namespace {

// Each program is asked with a system call of its own.
constexpr Nanoseconds kLookForMissedEvery = 1'000'000'000;

KernelPins read_vmstat()
{
    KernelPins pins;
    std::ifstream vmstat("/proc/vmstat");
    std::string name;
    std::uint64_t value = 0;
    while (vmstat >> name >> value) {
        if (name == "nr_foll_pin_acquired") {
            pins.acquired = value;
        } else if (name == "nr_foll_pin_released") {
            pins.released = value;
        }
    }
    return pins;
}

}  // namespace

KernelHealth KernelWatch::read()
{
    KernelHealth health;
    health.pins = read_vmstat();
    if (auto counters = programs_.counters(); counters) {
        health.counters = *counters;
    }
    std::vector<HookStatus> hooks = programs_.hooks();
    std::vector<HookStatus> owners = scopes_.hooks();
    health.missed = count_missed(hooks, programs_.caught_calls(), owners);
    std::ranges::move(owners, std::back_inserter(hooks));
    health.files = *static_cast<const volatile __u64*>(programs_.shared().files_known);
    health.switched_off = switched_off_;
    health.times_switched_off = times_switched_off_;
    for (HookStatus& hook : hooks) {
        if (switched_off_ && hook.attached && !hook.tracepoint) {
            hook.attached = false;
            hook.reason = kSwitchedOff;
        }
        const bool needed = !is_not_needed(hook.reason);
        const bool available = hook.attached || !is_unavailable(hook.reason);
        health.hooks.push_back({std::move(hook.name), std::move(hook.purpose), hook.attached, std::move(hook.reason),
                                hook.missed, needed, available, hook.runs, hook.run_time});
    }
    return health;
}

// Missed runs count here also when they were made good: how many were not is found when all is read.
bool KernelWatch::lost_more()
{
    const std::uint64_t losses = std::exchange(losses_, *static_cast<const volatile __u64*>(ledger_losses_));
    bool more = losses != losses_;
    if (const Nanoseconds now = clock_.now(); now >= next_look_) {
        next_look_ = now + kLookForMissedEvery;
        const std::uint64_t missed = std::exchange(missed_, programs_.missed_for_ledger() + scopes_.missed());
        more = more || missed != missed_;
    }
    const bool was_off = std::exchange(switched_off_, !ftrace_.on());
    times_switched_off_ += switched_off_ && !was_off ? 1U : 0U;
    return more || switched_off_ || was_off;
}

}  // namespace pinwarden
