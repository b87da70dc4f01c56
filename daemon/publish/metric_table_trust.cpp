// What tells how far the rest can be trusted, and of the daemon itself.
#include <array>
#include <string_view>

#include "publish/config_hash.h"
#include "publish/metric_table.h"

namespace pinwarden {
namespace {

constexpr std::array<std::string_view, 7> kPurposes{"acquire",   "invalidation", "lifecycle", "notifier",
                                                    "operation", "owner",        "release"};
constexpr std::array<std::string_view, 4> kHookStates{"attached", "failed", "not_needed", "unavailable"};
constexpr std::size_t kLossCauses = 26;

std::string_view state_of(const HookState& hook)
{
    if (hook.attached) {
        return "attached";
    }
    if (!hook.needed) {
        return "not_needed";
    }
    return hook.available ? "failed" : "unavailable";
}

void fill_hooks(MetricSource& source, Series& out)
{
    for (const std::string_view purpose : kPurposes) {
        for (const std::string_view state : kHookStates) {
            out.add({std::string(purpose), std::string(state)}, std::uint64_t{0});
        }
    }
    for (const HookState& hook : source.now.hooks) {
        out.add({hook.purpose, std::string(state_of(hook))}, std::uint64_t{1});
    }
}

void fill_by_purpose(MetricSource& source, Series& out, double (*value)(const HookState& hook))
{
    for (const std::string_view purpose : kPurposes) {
        out.add({std::string(purpose)}, 0.0);
    }
    for (const HookState& hook : source.now.hooks) {
        out.add({hook.purpose}, value(hook));
    }
}

void fill_tables(MetricSource& source, Series& out, std::uint64_t MetricsSnapshot::Table::* value)
{
    for (const auto& table : source.now.tables) {
        out.add({table.name}, table.*value);
    }
}

std::vector<Metric> hook_metrics()
{
    return {
        {{"pinwarden_events_lost_total",
          "counter",
          "events",
          "Events lost, or recorded with doubt, by cause.",
          {"cause"},
          kLossCauses,
          "Every cause is shown from the start."},
         [](MetricSource& source, Series& out) {
             for (const LossState& loss : source.now.losses) {
                 out.add({loss.cause}, loss.count);
             }
         }},
        {{"pinwarden_hooks",
          "gauge",
          "hooks",
          "Hooks on the kernel, by what they are for and whether they are attached.",
          {"purpose", "state"},
          kPurposes.size() * kHookStates.size(),
          "A `failed` one is a hole in what is seen: `pinctl status` names it. `not_needed` ones come with the first "
          "pin or "
          "policy that needs them; `unavailable` ones this kernel does not have, or does not need."},
         fill_hooks},
        {{"pinwarden_hook_missed_total",
          "counter",
          "runs",
          "Runs of hooks that the kernel skipped, also those that a second program made good.",
          {"purpose"},
          kPurposes.size(),
          "What was not made good are the causes `missed_run` and `missed_report` above."},
         [](MetricSource& source, Series& out) {
             fill_by_purpose(source, out, [](const HookState& hook) { return static_cast<double>(hook.missed); });
         }},
        {{"pinwarden_hook_runs_total",
          "counter",
          "runs",
          "Runs of hooks, while the kernel counts them.",
          {"purpose"},
          kPurposes.size(),
          "It does while `sysctl kernel.bpf_stats_enabled` is 1, which costs each run a little."},
         [](MetricSource& source, Series& out) {
             fill_by_purpose(source, out, [](const HookState& hook) { return static_cast<double>(hook.runs); });
         }},
        {{"pinwarden_hook_run_seconds_total",
          "counter",
          "seconds",
          "Time in such runs.",
          {"purpose"},
          kPurposes.size(),
          "The same."},
         [](MetricSource& source, Series& out) {
             fill_by_purpose(source, out, [](const HookState& hook) { return seconds(hook.run_time); });
         }},
        {{"pinwarden_reader_lag_seconds",
          "gauge",
          "seconds",
          "How long a record waited in the ring before it was read, at most, in the last half minute or minute.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, seconds(source.now.reader_lag)); }},
        {{"pinwarden_ring_used_bytes",
          "gauge",
          "bytes",
          "How much of the ring was taken, at most, in the last half minute or minute.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.ring_used); }},
        {{"pinwarden_ring_size_bytes", "gauge", "bytes", "How large the ring is.", {}, 1, "`--ring-size` changes it."},
         [](MetricSource& source, Series& out) { out.add({}, source.now.ring_size); }},
        {{"pinwarden_table_entries",
          "gauge",
          "entries",
          "Entries of the kernel's side's tables, as the daemon knows them.",
          {"table"},
          3,
          ""},
         [](MetricSource& source, Series& out) { fill_tables(source, out, &MetricsSnapshot::Table::entries); }},
        {{"pinwarden_table_max_entries", "gauge", "entries", "How many there is room for.", {"table"}, 3, ""},
         [](MetricSource& source, Series& out) { fill_tables(source, out, &MetricsSnapshot::Table::most); }},
    };
}

std::vector<Metric> trust_metrics()
{
    return {
        {{"pinwarden_ledger_certain",
          "gauge",
          "1",
          "1 when the ledger is known to be exact; 0 after losses.",
          {},
          1,
          "Also 0 for some milliseconds when releases of pages are listened to again "
          "([ADR 12](adr/0012-listening-to-releases.md))."},
         [](MetricSource& source, Series& out) { out.add({}, source.now.ledger_certain ? 1.0 : 0.0); }},
        {{"pinwarden_subscribers", "gauge", "streams", "Subscriptions to events that are open.", {}, 1, ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.subscribers); }},
        {{"pinwarden_subscriber_events_dropped_total",
          "counter",
          "events",
          "Events that subscribers were too slow for; each is told how many it lost.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.subscriber_events_dropped); }},
        {{"pinwarden_audits_total",
          "counter",
          "audits",
          "Comparisons of the ledger with the kernel's own pin counts.",
          {},
          1,
          "The periodic samples are included."},
         [](MetricSource& source, Series& out) { out.add({}, source.now.audits.runs); }},
        {{"pinwarden_audit_differences_total",
          "counter",
          "pins",
          "Pins on pages in which the ledger differed from the kernel when compared.",
          {"kind"},
          2,
          ""},
         [](MetricSource& source, Series& out) {
             out.add({"missing"}, source.now.audits.missing_pins);
             out.add({"surplus"}, source.now.audits.surplus_pins);
         }},
        {{"pinwarden_audit_repairs_total",
          "counter",
          "pins",
          "Pins on pages put right in the ledger: adopted from the kernel, or dropped.",
          {"kind"},
          2,
          ""},
         [](MetricSource& source, Series& out) {
             out.add({"adopted"}, source.now.audits.adopted_pins);
             out.add({"dropped"}, source.now.audits.dropped_pins);
         }},
        {{"pinwarden_adopted_pins",
          "gauge",
          "pins",
          "Pins that were found, and not seen being made.",
          {},
          1,
          "Their owner is inferred or not known."},
         [](MetricSource& source, Series& out) { out.add({}, source.now.adopted_pins); }},
        {{"pinwarden_releases_ambiguous_total",
          "counter",
          "pages",
          "Pages whose release could have been several pins'; the oldest was taken.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.ambiguous_releases); }},
        {{"pinwarden_releases_unmatched_total",
          "counter",
          "pages",
          "Pages released that the ledger did not have: pins from before the start, and pins nobody tracks.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.unmatched_releases); }},
        {{"pinwarden_kernel_pins_acquired_total",
          "counter",
          "pages",
          "Pages pinned since boot by the kernel's own sums, brief pins included.",
          {},
          1,
          "With the next, beside `pinwarden_pinned_bytes`: what nobody hooks would show here."},
         [](MetricSource& source, Series& out) { out.add({}, source.now.kernel_pins.acquired); }},
        {{"pinwarden_kernel_pins_released_total",
          "counter",
          "pages",
          "Pages let go since boot, the same way.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({}, source.now.kernel_pins.released); }},
        {{"pinwarden_config_info", "gauge", "1", "Always 1; the same hash is the same configuration.", {"hash"}, 1, ""},
         [](MetricSource& source, Series& out) {
             if (source.config) {
                 out.add({config_hash(*source.config)}, 1.0);
             }
         }},
        {{"pinwarden_config_last_reload_successful",
          "gauge",
          "1",
          "1 unless the last reload was refused and what was in force before stays.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) {
             const bool refused = source.config && source.config->last_reload && !source.config->last_reload->applied;
             out.add({}, refused ? 0.0 : 1.0);
         }},
        {{"pinwarden_config_last_reload_timestamp_seconds",
          "gauge",
          "seconds",
          "When the configuration was read last, since the Unix epoch; 0 when not since the start.",
          {},
          1,
          ""},
         [](MetricSource& source, Series& out) {
             out.add({}, source.config && source.config->last_reload ? seconds(source.config->last_reload->time) : 0.0);
         }},
        {{"pinwarden_build_info",
          "gauge",
          "1",
          "Always 1; what runs here, on which kernel.",
          {"version", "kernel"},
          1,
          ""},
         [](MetricSource& source, Series& out) { out.add({source.now.version, source.now.kernel_release}, 1.0); }},
    };
}

}  // namespace

std::vector<Metric> trust_table()
{
    std::vector<Metric> metrics = trust_metrics();
    const std::vector<Metric> hooks = hook_metrics();
    metrics.insert(metrics.end(), hooks.begin(), hooks.end());
    return metrics;
}

const MetricInfo& responding_info()
{
    static const MetricInfo info{"pinwarden_pipeline_responding",
                                 "gauge",
                                 "1",
                                 "1 when the pipeline answered this scrape in time, else 0.",
                                 {},
                                 1,
                                 "At 0 nothing but the process's own numbers is shown: old ones would look like a "
                                 "quiet machine."};
    return info;
}

const std::vector<ProcessMetric>& process_metrics()
{
    static const std::vector<ProcessMetric> all{
        {{"process_cpu_seconds_total", "counter", "seconds", "Time on a processor, in user and in kernel.", {}, 1, ""},
         [](const ProcessUse& use) { return use.cpu_seconds; }},
        {{"process_resident_memory_bytes", "gauge", "bytes", "Memory the daemon has resident.", {}, 1, ""},
         [](const ProcessUse& use) { return static_cast<double>(use.resident_bytes); }},
        {{"process_virtual_memory_bytes", "gauge", "bytes", "Size of its address space.", {}, 1, ""},
         [](const ProcessUse& use) { return static_cast<double>(use.virtual_bytes); }},
        {{"process_open_fds", "gauge", "descriptors", "Descriptors it has open.", {}, 1, ""},
         [](const ProcessUse& use) { return static_cast<double>(use.open_fds); }},
        {{"process_max_fds", "gauge", "descriptors", "How many it may have open.", {}, 1, ""},
         [](const ProcessUse& use) { return static_cast<double>(use.max_fds); }},
        {{"process_start_time_seconds", "gauge", "seconds", "When it was started, since the Unix epoch.", {}, 1, ""},
         [](const ProcessUse& use) { return use.start_time; }},
    };
    return all;
}

}  // namespace pinwarden
