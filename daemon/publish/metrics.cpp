#include "publish/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "publish/convert.h"

namespace pinwarden {
namespace {

// What a counter that starts to exist with its first event would lose: rate() needs a zero before it.
constexpr std::array<std::string_view, 3> kKnownDrivers{"io_uring", "rdma_rxe", "vfio"};
constexpr std::array<Backing, 2> kCommonBackings{Backing::kAnonymous, Backing::kFile};
constexpr std::size_t kBackings = 5;
constexpr std::array<std::string_view, 7> kOperations{"collapse_range", "insert_range", "madv_remove", "punch_hole",
                                                      "truncate",       "umount",       "zero_range"};
// Nothing can stop these.
constexpr std::array<std::string_view, 6> kInvalidations{"invalidate", "madv_dontneed", "madv_guard",
                                                         "mmap_fixed", "mremap",        "munmap"};
constexpr std::array<std::string_view, 9> kVerdicts{"allow",      "deny",       "hold",         "notify",      "signal",
                                                    "would_deny", "would_hold", "would_notify", "would_signal"};
constexpr std::array<std::string_view, 5> kInvalidationVerdicts{"allow", "notify", "signal", "would_notify",
                                                                "would_signal"};
// What pinning pages fails with; anything else is "other".
constexpr std::array<int, 5> kPinErrors{EAGAIN, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP};
constexpr std::string_view kOther = "other";
constexpr std::array kActOutcomes{ActOutcome::kSent,         ActOutcome::kGone,   ActOutcome::kProtected,
                                  ActOutcome::kLimited,      ActOutcome::kFailed, ActOutcome::kUnknownOwner,
                                  ActOutcome::kInferredOwner};
constexpr std::array kRevocationEnds{RevocationEnd::kAnswered, RevocationEnd::kReleased,      RevocationEnd::kExhausted,
                                     RevocationEnd::kSpared,   RevocationEnd::kTooManyOwners, RevocationEnd::kLimited};
static_assert((kMaxDriverLabels + 1) * (kPinErrors.size() + 1) <= kMaxSeriesPerMetric);
static_assert((kMaxDriverLabels + 1) * kBackings <= kMaxSeriesPerMetric);
static_assert((kMaxConflictDriverLabels + 1) *
                  (kOperations.size() * kVerdicts.size() + kInvalidations.size() * kInvalidationVerdicts.size()) <=
              kMaxSeriesPerMetric);

// Which drivers have series of their own. Once given, a label stays: a counter must not move between two of them.
class DriverLabels {
public:
    explicit DriverLabels(std::size_t most) : most_(most), known_(kKnownDrivers.begin(), kKnownDrivers.end()) {}

    std::string label(const std::string& driver)
    {
        if (known_.contains(driver)) {
            return driver;
        }
        if (known_.size() >= most_) {
            return std::string(kOther);
        }
        known_.insert(driver);
        return driver;
    }

    [[nodiscard]] const std::set<std::string>& known() const { return known_; }

private:
    std::size_t most_;
    std::set<std::string> known_;
};

// The values of one metric by its label values. Adding to the same labels twice sums up.
class Series {
public:
    void add(std::vector<std::string> labels, double value) { values_[std::move(labels)] += value; }
    void add(std::vector<std::string> labels, std::uint64_t value)
    {
        add(std::move(labels), static_cast<double>(value));
    }

    [[nodiscard]] const std::map<std::vector<std::string>, double>& values() const { return values_; }

private:
    std::map<std::vector<std::string>, double> values_;
};

struct Source {
    const MetricsSnapshot& now;
    DriverLabels& drivers;
    DriverLabels& conflict_drivers;
    // (driver, backing) that had pins once: a gauge goes to zero, it does not vanish.
    std::set<std::pair<std::string, Backing>>& seen_totals;
    std::set<std::string>& seen_notifiers;
};

struct Metric {
    MetricInfo info;
    void (*fill)(Source& source, Series& out);
    Histogram MetricsSnapshot::* histogram = nullptr;  // in place of `fill`
};

void fill_totals(Source& source, Series& out, std::uint64_t PinTotals::* value)
{
    for (const auto& [driver, backing] : source.seen_totals) {
        out.add({driver, std::string(to_string(backing))}, std::uint64_t{0});
    }
    for (const auto& [key, totals] : source.now.totals) {
        out.add({source.drivers.label(key.first), std::string(to_string(key.second))}, totals.*value);
    }
}

void fill_by_driver(Source& source, Series& out, const std::map<std::string, std::uint64_t>& counts)
{
    for (const std::string_view driver : kKnownDrivers) {
        out.add({std::string(driver)}, std::uint64_t{0});
    }
    for (const auto& [driver, count] : counts) {
        out.add({source.drivers.label(driver)}, count);
    }
}

std::string error_label(int error)
{
    return std::ranges::find(kPinErrors, error) == kPinErrors.end() ? std::string(kOther) : errno_name(error);
}

void fill_failed(Source& source, Series& out)
{
    for (const std::string_view driver : kKnownDrivers) {
        for (const int error : kPinErrors) {
            out.add({std::string(driver), error_label(error)}, std::uint64_t{0});
        }
        out.add({std::string(driver), std::string(kOther)}, std::uint64_t{0});
    }
    for (const auto& [key, count] : source.now.pins_failed) {
        out.add({source.drivers.label(key.first), error_label(key.second)}, count);
    }
}

void fill_orphans(Source& source, Series& out, PinTotals OrphanTotals::* which, std::uint64_t PinTotals::* value)
{
    for (const auto& [driver, totals] : source.now.orphans) {
        out.add({source.drivers.label(driver)}, (totals.*which).*value);
    }
    for (const std::string& driver : source.drivers.known()) {
        out.add({driver}, std::uint64_t{0});
    }
}

// How many notifiers there are, or how many bytes they have on demand.
void fill_notifiers(Source& source, Series& out, std::uint64_t (*value)(const NotifierTotals& totals))
{
    for (const std::string& driver : source.seen_notifiers) {
        out.add({driver}, std::uint64_t{0});
    }
    for (const auto& [driver, totals] : source.now.notifiers) {
        out.add({source.drivers.label(driver)}, value(totals));
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

void fill_conflicts(Source& source, Series& out)
{
    for (const std::string_view operation : kOperations) {
        for (const std::string_view driver : kKnownDrivers) {
            for (const std::string_view verdict : kVerdicts) {
                out.add({std::string(operation), std::string(driver), std::string(verdict)}, std::uint64_t{0});
            }
        }
    }
    for (const std::string_view operation : kInvalidations) {
        for (const std::string_view driver : kKnownDrivers) {
            for (const std::string_view verdict : kInvalidationVerdicts) {
                out.add({std::string(operation), std::string(driver), std::string(verdict)}, std::uint64_t{0});
            }
        }
    }
    for (const auto& [key, count] : source.now.conflicts) {
        const auto& [operation, driver, verdict] = key;
        out.add({operation, source.conflict_drivers.label(driver), verdict}, count);
    }
}

const std::vector<Metric>& metrics()
{
    static const std::vector<Metric> all{
        {{"pinwarden_pinned_bytes",
          "gauge",
          "Memory pinned now, in bytes, as the ledger has it.",
          {"driver", "backing"}},
         [](Source& source, Series& out) { fill_totals(source, out, &PinTotals::bytes); }},
        {{"pinwarden_pins",
          "gauge",
          "Pins in the ledger now; a large registration makes several.",
          {"driver", "backing"}},
         [](Source& source, Series& out) { fill_totals(source, out, &PinTotals::pins); }},
        {{"pinwarden_pins_acquired_total", "counter", "Calls that pinned pages.", {"driver"}},
         [](Source& source, Series& out) { fill_by_driver(source, out, source.now.pins_acquired); }},
        {{"pinwarden_pins_released_total", "counter", "Pins whose last page was let go.", {"driver"}},
         [](Source& source, Series& out) { fill_by_driver(source, out, source.now.pins_released); }},
        {{"pinwarden_pins_failed_total",
          "counter",
          "Calls that tried to pin pages for long and failed, by the errno's name.",
          {"driver", "errno"}},
         fill_failed},
        {{"pinwarden_conflicts_total",
          "counter",
          "File operations and invalidations that met live pins, once for every driver whose pins were hit.",
          {"operation", "driver", "verdict"}},
         fill_conflicts},
        {{"pinwarden_orphans", "gauge", "Pins whose owner has exited, leaks included.", {"driver"}},
         [](Source& source, Series& out) { fill_orphans(source, out, &OrphanTotals::orphans, &PinTotals::pins); }},
        {{"pinwarden_orphaned_bytes", "gauge", "Memory that such pins hold, in bytes.", {"driver"}},
         [](Source& source, Series& out) { fill_orphans(source, out, &OrphanTotals::orphans, &PinTotals::bytes); }},
        {{"pinwarden_leaks", "gauge", "Pins whose owner exited longer ago than --leak-after says.", {"driver"}},
         [](Source& source, Series& out) { fill_orphans(source, out, &OrphanTotals::leaks, &PinTotals::pins); }},
        {{"pinwarden_leaked_bytes", "gauge", "Memory that such pins hold, in bytes.", {"driver"}},
         [](Source& source, Series& out) { fill_orphans(source, out, &OrphanTotals::leaks, &PinTotals::bytes); }},
        {{"pinwarden_oldest_orphan_timestamp_seconds",
          "gauge",
          "When the owner of the oldest orphan exited, in seconds since the Unix epoch; 0 when there is none.",
          {}},
         [](Source& source, Series& out) { out.add({}, static_cast<double>(source.now.oldest_orphan) / 1e9); }},
        {{"pinwarden_orphan_release_seconds",
          "histogram",
          "Time from an owner's exit until the last page of a pin was let go.",
          {}},
         nullptr,
         &MetricsSnapshot::orphan_releases},
        {{"pinwarden_holds", "gauge", "Operations that are held now: their callers wait.", {}},
         [](Source& source, Series& out) { out.add({}, source.now.holds_in_flight); }},
        {{"pinwarden_holds_ended_total", "counter", "Held operations that are held no longer, by why.", {"outcome"}},
         [](Source& source, Series& out) {
             fill_by_outcome(out, {kHoldOutcomes.begin(), kHoldOutcomes.end()}, source.now.holds_ended);
         }},
        {{"pinwarden_hold_seconds", "histogram", "Time for which operations were held.", {}},
         nullptr,
         &MetricsSnapshot::hold_durations},
        {{"pinwarden_signals_total",
          "counter",
          "Signals to processes that pinned what was in the way, by whether they were sent, or why not.",
          {"outcome"}},
         [](Source& source, Series& out) { fill_by_outcome(out, names_of(kActOutcomes), source.now.signals); }},
        {{"pinwarden_revocations_total",
          "counter",
          "Attempts to make owners let go of pins that have ended, by how.",
          {"outcome"}},
         [](Source& source, Series& out) { fill_by_outcome(out, names_of(kRevocationEnds), source.now.revocations); }},
        {{"pinwarden_revocation_release_seconds",
          "histogram",
          "Time from the last signal that a process was sent until its last pin in the way was gone.",
          {}},
         nullptr,
         &MetricsSnapshot::revocation_releases},
        {{"pinwarden_notifiers",
          "gauge",
          "Mmu notifiers: on-demand ranges and address spaces that somebody listens to.",
          {"driver"}},
         [](Source& source, Series& out) {
             fill_notifiers(source, out, [](const NotifierTotals& totals) { return totals.ranges + totals.spaces; });
         }},
        {{"pinwarden_on_demand_bytes", "gauge", "Memory that devices have on demand, without pinning it.", {"driver"}},
         [](Source& source, Series& out) {
             fill_notifiers(source, out, [](const NotifierTotals& totals) { return totals.on_demand_bytes; });
         }},
        {{"pinwarden_events_lost_total", "counter", "Events lost, or recorded with doubt, by cause.", {"cause"}},
         [](Source& source, Series& out) {
             for (const LossState& loss : source.now.losses) {
                 out.add({loss.cause}, loss.count);
             }
         }},
        {{"pinwarden_hook_attached", "gauge", "1 when the hook is attached to the kernel, else 0.", {"hook"}},
         [](Source& source, Series& out) {
             for (const HookState& hook : source.now.hooks) {
                 out.add({hook.name}, hook.attached ? 1.0 : 0.0);
             }
         }},
        {{"pinwarden_hook_missed_total",
          "counter",
          "Runs of a hook that the kernel skipped, also those that a second program made good.",
          {"hook"}},
         [](Source& source, Series& out) {
             for (const HookState& hook : source.now.hooks) {
                 out.add({hook.name}, hook.missed);
             }
         }},
        {{"pinwarden_ledger_certain", "gauge", "1 when the ledger is known to be exact; 0 after losses.", {}},
         [](Source& source, Series& out) { out.add({}, source.now.ledger_certain ? 1.0 : 0.0); }},
        {{"pinwarden_audits_total", "counter", "Comparisons of the ledger with the kernel's own pin counts.", {}},
         [](Source& source, Series& out) { out.add({}, source.now.audits.runs); }},
        {{"pinwarden_audit_differences_total",
          "counter",
          "Pins on pages in which the ledger differed from the kernel when compared.",
          {"kind"}},
         [](Source& source, Series& out) {
             out.add({"missing"}, source.now.audits.missing_pins);
             out.add({"surplus"}, source.now.audits.surplus_pins);
         }},
        {{"pinwarden_audit_repairs_total",
          "counter",
          "Pins on pages put right in the ledger: adopted from the kernel, or dropped.",
          {"kind"}},
         [](Source& source, Series& out) {
             out.add({"adopted"}, source.now.audits.adopted_pins);
             out.add({"dropped"}, source.now.audits.dropped_pins);
         }},
        {{"pinwarden_releases_ambiguous_total",
          "counter",
          "Pages whose release could have been several pins'; the oldest was taken.",
          {}},
         [](Source& source, Series& out) { out.add({}, source.now.ambiguous_releases); }},
        {{"pinwarden_releases_unmatched_total",
          "counter",
          "Pages released that the ledger did not have: pins from before the start, and pins nobody tracks.",
          {}},
         [](Source& source, Series& out) { out.add({}, source.now.unmatched_releases); }},
        {{"pinwarden_policies", "gauge", "Policies loaded, by what became of them.", {"state"}},
         [](Source& source, Series& out) {
             out.add({"active"}, source.now.policies_active);
             out.add({"degraded"}, source.now.policies_limited);
             out.add({"monitoring"}, source.now.policies_monitoring);
             out.add({"off"}, source.now.policies_off);
             out.add({"pending"}, source.now.policies_pending);
             out.add({"refused"}, source.now.policies_refused);
         }},
        {{"pinwarden_policies_limited",
          "gauge",
          "Policies that were put into monitor mode because too many signals were sent.",
          {}},
         [](Source& source, Series& out) { out.add({}, source.now.policies_limited); }},
        {{"pinwarden_audit_log_left_out_total",
          "counter",
          "Denials and holds that are not in the audit log: too many at once, or they could not be written.",
          {}},
         [](Source& source, Series& out) { out.add({}, source.now.audit_log_left_out); }},
        {{"pinwarden_build_info", "gauge", "Always 1; what runs here, on which kernel.", {"version", "kernel"}},
         [](Source& source, Series& out) { out.add({source.now.version, source.now.kernel_release}, 1.0); }},
    };
    return all;
}

const MetricInfo& responding_info()
{
    static const MetricInfo info{
        "pinwarden_pipeline_responding", "gauge", "1 when the pipeline answered this scrape in time, else 0.", {}};
    return info;
}

prometheus::ClientMetric to_client_metric(const MetricInfo& info, const std::vector<std::string>& labels, double value)
{
    prometheus::ClientMetric metric;
    for (std::size_t i = 0; i < info.labels.size(); ++i) {
        metric.label.push_back({std::string(info.labels[i]), valid_utf8(labels[i])});
    }
    (info.type == "counter" ? metric.counter.value : metric.gauge.value) = value;
    return metric;
}

prometheus::MetricFamily to_family(const MetricInfo& info, const Series& series)
{
    prometheus::MetricFamily family;
    family.name = info.name;
    family.help = info.help;
    family.type = info.type == "counter" ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    for (const auto& [labels, value] : series.values()) {
        family.metric.push_back(to_client_metric(info, labels, value));
    }
    return family;
}

prometheus::MetricFamily to_family(const MetricInfo& info, const Histogram& histogram)
{
    prometheus::MetricFamily family;
    family.name = info.name;
    family.help = info.help;
    family.type = prometheus::MetricType::Histogram;
    prometheus::ClientMetric metric;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
        total += histogram.counts[i];
        const bool bounded = i < histogram.bounds.size();
        metric.histogram.bucket.push_back(
            {total, bounded ? histogram.bounds[i] : std::numeric_limits<double>::infinity()});
    }
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = histogram.sum;
    family.metric.push_back(std::move(metric));
    return family;
}

class Collector final : public prometheus::Collectable {
public:
    explicit Collector(Pipeline& pipeline) : pipeline_(pipeline)
    {
        for (const std::string_view driver : kKnownDrivers) {
            for (const Backing backing : kCommonBackings) {
                seen_totals_.emplace(driver, backing);
            }
        }
    }

    std::vector<prometheus::MetricFamily> Collect() const override
    {
        const Result<MetricsSnapshot> snapshot = pipeline_.metrics();
        Series responding;
        responding.add({}, snapshot ? 1.0 : 0.0);
        std::vector<prometheus::MetricFamily> families{to_family(responding_info(), responding)};
        if (snapshot) {
            add_families(*snapshot, families);
        }
        return families;
    }

private:
    void add_families(const MetricsSnapshot& snapshot, std::vector<prometheus::MetricFamily>& families) const
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [key, totals] : snapshot.totals) {
            seen_totals_.emplace(drivers_.label(key.first), key.second);
        }
        for (const auto& [driver, totals] : snapshot.notifiers) {
            seen_notifiers_.insert(drivers_.label(driver));
        }
        Source source{snapshot, drivers_, conflict_drivers_, seen_totals_, seen_notifiers_};
        for (const Metric& metric : metrics()) {
            if (metric.histogram != nullptr) {
                families.push_back(to_family(metric.info, snapshot.*metric.histogram));
                continue;
            }
            Series series;
            metric.fill(source, series);
            families.push_back(to_family(metric.info, series));
        }
    }

    Pipeline& pipeline_;
    // Collect() is const by its interface, but labels must be remembered from one scrape to the next.
    mutable std::mutex mutex_;
    mutable DriverLabels drivers_{kMaxDriverLabels};
    mutable DriverLabels conflict_drivers_{kMaxConflictDriverLabels};
    mutable std::set<std::pair<std::string, Backing>> seen_totals_;
    mutable std::set<std::string> seen_notifiers_{"kvm"};
};

}  // namespace

std::vector<MetricInfo> metric_catalogue()
{
    std::vector<MetricInfo> catalogue{responding_info()};
    for (const Metric& metric : metrics()) {
        catalogue.push_back(metric.info);
    }
    return catalogue;
}

std::shared_ptr<prometheus::Collectable> make_collectable(Pipeline& pipeline)
{
    return std::make_shared<Collector>(pipeline);
}

}  // namespace pinwarden
