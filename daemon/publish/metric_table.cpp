#include "publish/metric_table.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "publish/convert.h"
#include "publish/verdict_mode.h"

namespace pinwarden {
namespace {

// A counter that starts to exist with its first event would lose it: rate() needs a zero before. So everything that is
// known to come has one.
constexpr std::array<std::string_view, 7> kOperations{"collapse_range", "insert_range", "madv_remove", "punch_hole",
                                                      "truncate",       "umount",       "zero_range"};
// Nothing can stop these.
constexpr std::array<std::string_view, 5> kInvalidations{"invalidate", "madvise", "mmap_fixed", "mremap", "munmap"};

constexpr std::array<VerdictMode, 9> kVerdicts{{{"allow", "none"},
                                                {"deny", "enforce"},
                                                {"deny", "monitor"},
                                                {"hold", "enforce"},
                                                {"hold", "monitor"},
                                                {"notify", "enforce"},
                                                {"notify", "monitor"},
                                                {"signal", "enforce"},
                                                {"signal", "monitor"}}};
constexpr std::size_t kInvalidationVerdicts = 5;  // allow, notify and signal

// What pinning pages fails with; anything else is "other".
constexpr std::array<int, 5> kPinErrors{EAGAIN, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP};
constexpr std::array kActOutcomes{ActOutcome::kSent,         ActOutcome::kGone,   ActOutcome::kProtected,
                                  ActOutcome::kLimited,      ActOutcome::kFailed, ActOutcome::kUnknownOwner,
                                  ActOutcome::kInferredOwner};
constexpr std::array kRevocationEnds{RevocationEnd::kAnswered, RevocationEnd::kReleased,      RevocationEnd::kExhausted,
                                     RevocationEnd::kSpared,   RevocationEnd::kTooManyOwners, RevocationEnd::kLimited};
constexpr std::array<std::string_view, kPinAges.size() + 1> kAges{"1m", "10m", "1h", "6h", "1d", "7d", "older"};

constexpr std::size_t kBackings = 5;
constexpr std::size_t kPinDriverLabels = MetricMemory::kPinDrivers + 1;
constexpr std::size_t kFewDriverLabels = MetricMemory::kFewDrivers + 1;

template <std::size_t N>
constexpr std::size_t histogram_series(const std::array<double, N>& /*bounds*/)
{
    return N + 3;  // the bucket without a bound, sum and count
}

std::string folded_operation(const std::string& operation)
{
    return operation.starts_with("madv_") && operation != "madv_remove" ? "madvise" : operation;
}

bool can_be(std::string_view verdict, bool operation)
{
    return operation || (verdict != "deny" && verdict != "hold");
}

void fill_conflicts(MetricSource& source, Series& out)
{
    const auto zeros = [&out](std::string_view operation, bool is_operation) {
        for (const VerdictMode& one : kVerdicts) {
            if (can_be(one.verdict, is_operation)) {
                out.add({std::string(operation), std::string(one.verdict), std::string(one.mode)}, std::uint64_t{0});
            }
        }
    };
    for (const std::string_view operation : kOperations) {
        zeros(operation, true);
    }
    for (const std::string_view operation : kInvalidations) {
        zeros(operation, false);
    }
    for (const auto& [key, count] : source.now.operations) {
        const VerdictMode one = take_apart(key.second);
        out.add({folded_operation(key.first), std::string(one.verdict), std::string(one.mode)}, count);
    }
}

void fill_conflicts_by_driver(MetricSource& source, Series& out)
{
    for (const std::string& driver : source.memory.drivers.known()) {
        for (const VerdictMode& one : kVerdicts) {
            out.add({driver, std::string(one.verdict), std::string(one.mode)}, std::uint64_t{0});
        }
    }
    for (const auto& [key, count] : source.now.conflicts) {
        const auto& [operation, driver, verdict] = key;
        const VerdictMode one = take_apart(verdict);
        out.add({source.memory.drivers.label(driver), std::string(one.verdict), std::string(one.mode)}, count);
    }
}

void fill_totals(MetricSource& source, Series& out, std::uint64_t PinTotals::* value)
{
    for (const auto& [driver, backing] : source.memory.totals) {
        out.add({driver, std::string(to_string(backing))}, std::uint64_t{0});
    }
    for (const auto& [key, totals] : source.now.totals) {
        out.add({source.memory.pin_drivers.label(key.first), std::string(to_string(key.second))}, totals.*value);
    }
}

void fill_by_driver(MetricSource& source, Series& out, const std::map<std::string, std::uint64_t>& counts)
{
    for (const auto& [driver, count] : counts) {
        out.add({source.memory.pin_drivers.label(driver)}, count);
    }
    for (const std::string& driver : source.memory.pin_drivers.known()) {
        out.add({driver}, std::uint64_t{0});
    }
}

std::string error_label(int error)
{
    return std::ranges::find(kPinErrors, error) == kPinErrors.end() ? LabelCap::kOther : errno_name(error);
}

void fill_failed(MetricSource& source, Series& out)
{
    for (const std::string& driver : source.memory.drivers.known()) {
        for (const int error : kPinErrors) {
            out.add({driver, error_label(error)}, std::uint64_t{0});
        }
        out.add({driver, LabelCap::kOther}, std::uint64_t{0});
    }
    for (const auto& [key, count] : source.now.pins_failed) {
        out.add({source.memory.drivers.label(key.first), error_label(key.second)}, count);
    }
}

void fill_orphans(MetricSource& source, Series& out, PinTotals OrphanTotals::* which, std::uint64_t PinTotals::* value)
{
    for (const auto& [driver, totals] : source.now.orphans) {
        out.add({source.memory.drivers.label(driver)}, (totals.*which).*value);
    }
    for (const std::string& driver : source.memory.drivers.known()) {
        out.add({driver}, std::uint64_t{0});
    }
}

// How many notifiers there are, or how many bytes they have on demand.
void fill_notifiers(MetricSource& source, Series& out, std::uint64_t (*value)(const NotifierTotals& totals))
{
    for (const auto& [driver, totals] : source.now.notifiers) {
        out.add({source.memory.notifiers.label(driver)}, value(totals));
    }
    for (const std::string& driver : source.memory.notifiers.known()) {
        out.add({driver}, std::uint64_t{0});
    }
}

template <typename Outcomes>
std::vector<std::string_view> names_of(const Outcomes& outcomes)
{
    std::vector<std::string_view> names;
    names.reserve(outcomes.size());
    for (const auto outcome : outcomes) {
        names.push_back(to_string(outcome));
    }
    return names;
}

// Counts by outcome, zeros included.
void fill_by_outcome(Series& out, const std::vector<std::string_view>& outcomes,
                     const std::map<std::string, std::uint64_t>& counts)
{
    for (const std::string_view outcome : outcomes) {
        out.add({std::string(outcome)}, std::uint64_t{0});
    }
    for (const auto& [outcome, count] : counts) {
        out.add({outcome}, count);
    }
}

// A policy that is gone takes its counts along; its label stays, so that another does not get it.
void fill_decisions(MetricSource& source, Series& out)
{
    for (const auto& policy : source.now.policy_decisions) {
        const std::string label = source.memory.policies.label(policy.policy);
        out.add({label, "enforce"}, policy.decided);
        out.add({label, "monitor"}, policy.would_have);
    }
}

std::vector<Metric> pin_metrics()
{
    return {
        {{"pinwarden_pinned_bytes",
          "gauge",
          "bytes",
          "Memory pinned now, as the ledger has it.",
          {"driver", "backing"},
          kPinDriverLabels * kBackings,
          ""},
         [](MetricSource& source, Series& out) { fill_totals(source, out, &PinTotals::bytes); }},
        {{"pinwarden_pins",
          "gauge",
          "pins",
          "Pins in the ledger now.",
          {"driver", "backing"},
          kPinDriverLabels * kBackings,
          "A large registration makes several: `pinctl pins` shows them as one."},
         [](MetricSource& source, Series& out) { fill_totals(source, out, &PinTotals::pins); }},
        {{"pinwarden_pins_acquired_total",
          "counter",
          "calls",
          "Calls that pinned pages.",
          {"driver"},
          kPinDriverLabels,
          ""},
         [](MetricSource& source, Series& out) { fill_by_driver(source, out, source.now.pins_acquired); }},
        {{"pinwarden_pins_released_total",
          "counter",
          "pins",
          "Pins whose last page was let go.",
          {"driver"},
          kPinDriverLabels,
          ""},
         [](MetricSource& source, Series& out) { fill_by_driver(source, out, source.now.pins_released); }},
        {{"pinwarden_pins_failed_total",
          "counter",
          "calls",
          "Calls that tried to pin pages for long and failed, by the errno's name.",
          {"driver", "errno"},
          kFewDriverLabels * (kPinErrors.size() + 1),
          "`pinctl failures` shows the last ones."},
         fill_failed},
        {{"pinwarden_pins_by_age",
          "gauge",
          "pins",
          "Pins that are younger than that, and not younger than the age before.",
          {"age"},
          kAges.size(),
          ""},
         [](MetricSource& source, Series& out) {
             for (std::size_t i = 0; i < kAges.size(); ++i) {
                 out.add({std::string(kAges.at(i))}, source.now.pins_by_age.at(i));
             }
         }},
        {{"pinwarden_pin_lifetime_seconds",
          "histogram",
          "seconds",
          "Time from a pin's acquisition until its last page was let go.",
          {},
          histogram_series(kLifetimeBounds),
          ""},
         nullptr,
         &MetricsSnapshot::pin_lifetimes},
        {{"pinwarden_orphans",
          "gauge",
          "pins",
          "Pins whose owner has exited, leaks included.",
          {"driver"},
          kFewDriverLabels,
          "Every process that exits without letting go makes some for a moment."},
         [](MetricSource& source, Series& out) {
             fill_orphans(source, out, &OrphanTotals::orphans, &PinTotals::pins);
         }},
        {{"pinwarden_orphaned_bytes",
          "gauge",
          "bytes",
          "Memory that such pins hold.",
          {"driver"},
          kFewDriverLabels,
          ""},
         [](MetricSource& source, Series& out) {
             fill_orphans(source, out, &OrphanTotals::orphans, &PinTotals::bytes);
         }},
        {{"pinwarden_leaks",
          "gauge",
          "pins",
          "Pins whose owner exited longer ago than --leak-after says.",
          {"driver"},
          kFewDriverLabels,
          "`pinctl pins --leaked` shows them."},
         [](MetricSource& source, Series& out) { fill_orphans(source, out, &OrphanTotals::leaks, &PinTotals::pins); }},
        {{"pinwarden_leaked_bytes", "gauge", "bytes", "Memory that leaks hold.", {"driver"}, kFewDriverLabels, ""},
         [](MetricSource& source, Series& out) { fill_orphans(source, out, &OrphanTotals::leaks, &PinTotals::bytes); }},
        {{"pinwarden_oldest_orphan_timestamp_seconds",
          "gauge",
          "seconds",
          "When the owner of the oldest orphan exited, since the Unix epoch; 0 when there is none.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, seconds(source.now.oldest_orphan)); }},
        {{"pinwarden_orphan_release_seconds",
          "histogram",
          "seconds",
          "Time from an owner's exit until the last page of a pin was let go.",
          {},
          histogram_series(kOrphanReleaseBounds),
          ""},
         nullptr,
         &MetricsSnapshot::orphan_releases},
        {{"pinwarden_notifiers",
          "gauge",
          "notifiers",
          "Mmu notifiers: on-demand ranges and address spaces that somebody listens to.",
          {"driver"},
          kFewDriverLabels,
          ""},
         [](MetricSource& source, Series& out) {
             fill_notifiers(source, out, [](const NotifierTotals& totals) { return totals.ranges + totals.spaces; });
         }},
        {{"pinwarden_on_demand_bytes",
          "gauge",
          "bytes",
          "Memory that devices have on demand, without pinning it.",
          {"driver"},
          kFewDriverLabels,
          "What several ranges cover counts for each."},
         [](MetricSource& source, Series& out) {
             fill_notifiers(source, out, [](const NotifierTotals& totals) { return totals.on_demand_bytes; });
         }},
        {{"pinwarden_cgroup_pinned_bytes",
          "gauge",
          "bytes",
          "Memory that the cgroups which hold most have pinned.",
          {"cgroup"},
          kMaxCgroupLabels,
          "Off unless `--cgroup-metrics` says for how many; series come and go."},
         [](MetricSource& source, Series& out) {
             for (const auto& [cgroup, bytes] : source.now.cgroup_bytes) {
                 out.add({cgroup}, bytes);
             }
         }},
    };
}

std::vector<Metric> conflict_metrics()
{
    return {
        {{"pinwarden_conflicts_total",
          "counter",
          "operations",
          "File operations and invalidations that met live pins, each once.",
          {"operation", "verdict", "mode"},
          kOperations.size() * kVerdicts.size() + kInvalidations.size() * kInvalidationVerdicts,
          "`pinctl conflicts` shows the last ones."},
         fill_conflicts},
        {{"pinwarden_conflicts_by_driver_total",
          "counter",
          "operations",
          "The same, once for every driver whose pins were met.",
          {"driver", "verdict", "mode"},
          kFewDriverLabels * kVerdicts.size(),
          ""},
         fill_conflicts_by_driver},
        {{"pinwarden_policy_decisions_total",
          "counter",
          "operations",
          "What each policy decided, or as a monitor would have.",
          {"policy", "mode"},
          (MetricMemory::kPolicies + 1) * 2,
          ""},
         fill_decisions},
        {{"pinwarden_policies", "gauge", "policies", "Policies loaded, by what became of them.", {"state"}, 6, ""},
         [](MetricSource& source, Series& out) {
             out.add({"active"}, source.now.policies_active);
             out.add({"degraded"}, source.now.policies_limited);
             out.add({"monitoring"}, source.now.policies_monitoring);
             out.add({"off"}, source.now.policies_off);
             out.add({"pending"}, source.now.policies_pending);
             out.add({"refused"}, source.now.policies_refused);
         }},
        {{"pinwarden_holds",
          "gauge",
          "operations",
          "Operations that are held now: their callers wait.",
          {},
          1,
          "`pinctl holds` shows them."},
         [](MetricSource& source, Series& out) { out.add({}, source.now.holds_in_flight); }},
        {{"pinwarden_holds_ended_total",
          "counter",
          "operations",
          "Held operations that are held no longer, by why.",
          {"outcome"},
          kHoldOutcomes.size(),
          ""},
         [](MetricSource& source, Series& out) {
             fill_by_outcome(out, {kHoldOutcomes.begin(), kHoldOutcomes.end()}, source.now.holds_ended);
         }},
        {{"pinwarden_hold_seconds",
          "histogram",
          "seconds",
          "Time for which operations were held.",
          {},
          histogram_series(kHoldBounds),
          ""},
         nullptr,
         &MetricsSnapshot::hold_durations},
        {{"pinwarden_signals_total",
          "counter",
          "signals",
          "Signals to processes that pinned what was in the way, by whether they were sent, or why not.",
          {"outcome"},
          kActOutcomes.size(),
          "[The audit log](audit-log.md) has each that was sent, and for whom."},
         [](MetricSource& source, Series& out) { fill_by_outcome(out, names_of(kActOutcomes), source.now.signals); }},
        {{"pinwarden_revocations_total",
          "counter",
          "revocations",
          "Attempts to make owners let go of pins that have ended, by how.",
          {"outcome"},
          kRevocationEnds.size(),
          "`pinctl watch --kind revocation` shows them."},
         [](MetricSource& source, Series& out) {
             fill_by_outcome(out, names_of(kRevocationEnds), source.now.revocations);
         }},
        {{"pinwarden_revocation_release_seconds",
          "histogram",
          "seconds",
          "Time from the last signal that a process was sent until its last pin in the way was gone.",
          {},
          histogram_series(kHoldBounds),
          ""},
         nullptr,
         &MetricsSnapshot::revocation_releases},
        {{"pinwarden_audit_log_left_out_total",
          "counter",
          "records",
          "Denials and holds that are not in the audit log: too many at once, or they could not be written.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.audit_log_left_out); }},
    };
}

}  // namespace

const std::vector<Metric>& metric_table()
{
    static const std::vector<Metric> all = [] {
        std::vector<Metric> metrics = pin_metrics();
        for (const std::vector<Metric>& more : {conflict_metrics(), trust_table()}) {
            metrics.insert(metrics.end(), more.begin(), more.end());
        }
        return metrics;
    }();
    return all;
}

}  // namespace pinwarden
