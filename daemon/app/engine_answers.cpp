// What the engine tells when it is asked.
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/engine.h"
#include "app/views.h"
#include "publish/pin_filter.h"

namespace pinwarden {
namespace {

// Of a table that the kernel's side fills (bpf/maps.bpf.h); what is in it is told by the daemon's own count.
constexpr std::uint64_t kOwnersMax = 1U << 16U;

std::vector<std::pair<std::string, std::uint64_t>> largest(const absl::flat_hash_map<std::string, std::uint64_t>& bytes,
                                                           std::size_t most)
{
    std::vector<std::pair<std::string, std::uint64_t>> all(bytes.begin(), bytes.end());
    std::ranges::sort(all, {}, [](const auto& one) { return std::pair(~one.second, one.first); });
    all.resize(std::min(all.size(), most));
    return all;
}

MetricsSnapshot::PolicyDecisions decisions_of(const PolicyState& policy)
{
    const PolicyCounters& counters = policy.counters;
    return {.policy = policy.policy.name,
            .decided = counters.denied + counters.held + counters.signalled + counters.notified,
            .would_have = counters.would_have_denied + counters.would_have_held + counters.would_have_signalled +
                          counters.would_have_notified};
}

}  // namespace

std::vector<LossState> Engine::losses() const
{
    return list_losses(health_.counters, daemon_losses_);
}

Snapshot Engine::snapshot()
{
    Snapshot snapshot;
    snapshot.version = PINWARDEN_VERSION;
    snapshot.kernel_release = kernel_release_;
    snapshot.daemon_pid = static_cast<std::uint32_t>(getpid());
    snapshot.taken = around_.clock.now();
    snapshot.started = started_;
    snapshot.boot_to_unix = around_.clock.boot_to_unix();
    snapshot.hooks = health_.hooks;
    snapshot.losses = losses();
    snapshot.notices = notices_;
    snapshot.notices.insert(snapshot.notices.end(), reload_notices_.begin(), reload_notices_.end());
    snapshot.ledger_certain = ledger_.certain();
    snapshot.pin_count = ledger_.shown_pins();
    snapshot.pinned_bytes = ledger_.pinned_bytes();
    for (const auto& [driver, total] : notifiers_.totals()) {
        snapshot.notifiers += total.ranges + total.spaces;
        snapshot.on_demand_ranges += total.ranges;
        snapshot.on_demand_bytes += total.on_demand_bytes;
    }
    snapshot.holds = holds_.under_way();
    snapshot.policies = policy_states();
    snapshot.policy_generation = enforcer_.generation();
    return snapshot;
}

PinBatch Engine::pins(const PinFilter& filter, PinId from)
{
    // Events wait meanwhile: looking at a pin takes some ten nanoseconds, showing it a microsecond or two.
    constexpr std::size_t kMostShown = 512;
    constexpr std::size_t kMostLookedAt = 16'384;
    PinBatch batch;
    batch.ledger_certain = ledger_.certain();
    batch.ambiguous_pages = ledger_.ambiguous_releases();
    batch.taken = around_.clock.now();
    batch.boot_to_unix = around_.clock.boot_to_unix();
    for (const LossState& loss : losses()) {
        batch.lost += loss.affects_ledger ? loss.count : 0;
    }
    std::size_t looked_at = 0;
    for (auto at = ledger_.pins().from(from); at != ledger_.pins().end(); ++at) {
        const auto& [id, pin] = *at;
        if (batch.pins.size() == kMostShown || looked_at == kMostLookedAt) {
            batch.next = id;
            break;
        }
        ++looked_at;
        if (pin.shown() && filter.matches(pin)) {
            batch.pins.push_back(view_pin(pin, ledger_, around_.names));
        }
    }
    return batch;
}

FailureList Engine::failures() const
{
    return {.failures = {failures_.last().begin(), failures_.last().end()},
            .total = failures_.total(),
            .taken = around_.clock.now(),
            .boot_to_unix = around_.clock.boot_to_unix()};
}

// Once for every driver whose pins were hit.
void Engine::count_conflict(std::string_view operation, const std::vector<PinRecord>& pins, pw_verdict verdict)
{
    ++operations_[{std::string(operation), std::string(to_string(verdict))}];
    std::set<std::string> drivers;
    for (const PinRecord& pin : pins) {
        drivers.insert(pin.driver);
    }
    if (drivers.empty()) {
        drivers.insert("unknown");
    }
    for (const std::string& driver : drivers) {
        ++conflicts_[{std::string(operation), driver, std::string(to_string(verdict))}];
    }
}

MetricsSnapshot Engine::metrics() const
{
    const Nanoseconds now = around_.clock.now();
    MetricsSnapshot metrics;
    PinSums sums = ledger_.sums(now);
    metrics.totals = std::move(sums.totals);
    metrics.pins_by_age = sums.by_age;
    metrics.adopted_pins = sums.adopted;
    metrics.cgroup_bytes = largest(sums.cgroup_bytes, options_.cgroup_metrics);
    metrics.pin_lifetimes = pin_lifetimes_;
    metrics.operations = operations_;
    metrics.reader_lag = lag_.value(now);
    metrics.ring_used = ring_used_.value(now);
    metrics.ring_size = ring_size_;
    metrics.tables = {{"files", health_.files, around_.files == nullptr ? 0 : around_.files->capacity()},
                      {"owners", ledger_.owners(), kOwnersMax},
                      {"holds", holds_.under_way(), PW_HOLDS}};
    metrics.subscribers = around_.fanout.subscribers();
    metrics.subscriber_events_dropped = around_.fanout.dropped();
    metrics.kernel_pins = health_.pins;
    metrics.version = PINWARDEN_VERSION;
    metrics.kernel_release = kernel_release_;
    metrics.orphans = ledger_.orphan_totals();
    if (const auto oldest = ledger_.orphans().oldest()) {
        metrics.oldest_orphan = *oldest + around_.clock.boot_to_unix();
    }
    metrics.orphan_releases = orphan_releases_;
    metrics.pins_acquired = acquired_;
    metrics.pins_released = released_;
    metrics.pins_failed = failures_.counts();
    metrics.conflicts = conflicts_;
    metrics.holds_in_flight = holds_.under_way();
    metrics.holds_ended = holds_ended_;
    metrics.hold_durations = hold_durations_;
    metrics.signals = signals_;
    metrics.revocations = revocations_ended_;
    metrics.revocation_releases = revocation_releases_;
    metrics.policies_limited = degraded_.size();
    metrics.audit_log_left_out = around_.audit_log.left_out();
    metrics.losses = losses();
    metrics.hooks = health_.hooks;
    metrics.unmatched_releases = ledger_.unmatched_releases();
    metrics.ambiguous_releases = ledger_.ambiguous_releases();
    metrics.notifiers = notifiers_.totals();
    metrics.ledger_certain = ledger_.certain();
    metrics.audits = audit_counters_;
    for (const PolicyState& policy : policy_states()) {
        metrics.policy_decisions.push_back(decisions_of(policy));
        metrics.policies_active += policy.state == "active" ? 1U : 0U;
        metrics.policies_monitoring += policy.state == "monitoring" ? 1U : 0U;
        metrics.policies_pending += policy.state == "pending" ? 1U : 0U;
        metrics.policies_off += policy.state == "off" ? 1U : 0U;
        metrics.policies_refused += policy.state == "refused" ? 1U : 0U;
    }
    return metrics;
}

NotifiersView Engine::notifiers() const
{
    return {.notifiers = notifiers_.all(), .taken = around_.clock.now(), .boot_to_unix = around_.clock.boot_to_unix()};
}

}  // namespace pinwarden
