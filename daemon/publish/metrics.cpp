#include "publish/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "publish/convert.h"
#include "publish/metric_table.h"

namespace pinwarden {
namespace {

prometheus::ClientMetric to_client_metric(const MetricInfo& info, const std::vector<std::string>& labels, double value)
{
    prometheus::ClientMetric metric;
    for (std::size_t i = 0; i < info.labels.size(); ++i) {
        metric.label.push_back({std::string(info.labels[i]), valid_utf8(labels[i])});
    }
    (info.type == "counter" ? metric.counter.value : metric.gauge.value) = value;
    return metric;
}

prometheus::MetricType type_of(const MetricInfo& info)
{
    if (info.type == "counter") {
        return prometheus::MetricType::Counter;
    }
    return info.type == "histogram" ? prometheus::MetricType::Histogram : prometheus::MetricType::Gauge;
}

prometheus::MetricFamily family_of(const MetricInfo& info)
{
    prometheus::MetricFamily family;
    family.name = info.name;
    family.help = info.help;
    family.type = type_of(info);
    return family;
}

prometheus::MetricFamily to_family(const MetricInfo& info, const Series& series)
{
    prometheus::MetricFamily family = family_of(info);
    for (const auto& [labels, value] : series.values()) {
        family.metric.push_back(to_client_metric(info, labels, value));
    }
    return family;
}

prometheus::MetricFamily to_family(const MetricInfo& info, double value)
{
    Series series;
    series.add({}, value);
    return to_family(info, series);
}

prometheus::MetricFamily to_family(const MetricInfo& info, const Histogram& histogram)
{
    prometheus::MetricFamily family = family_of(info);
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
    Collector(Pipeline& pipeline, const ConfigSource* config) : pipeline_(pipeline), config_(config)
    {
        for (const std::string& driver : memory_.pin_drivers.known()) {
            memory_.totals.emplace(driver, Backing::kAnonymous);
            memory_.totals.emplace(driver, Backing::kFile);
        }
    }

    std::vector<prometheus::MetricFamily> Collect() const override
    {
        const Result<MetricsSnapshot> snapshot = pipeline_.metrics();
        std::vector<prometheus::MetricFamily> families{to_family(responding_info(), snapshot ? 1.0 : 0.0)};
        if (snapshot) {
            add_families(*snapshot, families);
        }
        if (const auto use = read_process_use()) {
            for (const ProcessMetric& metric : process_metrics()) {
                families.push_back(to_family(metric.info, metric.value(*use)));
            }
        }
        return families;
    }

private:
    void add_families(const MetricsSnapshot& snapshot, std::vector<prometheus::MetricFamily>& families) const
    {
        const std::optional<ConfigView> config = config_ == nullptr ? std::nullopt : std::optional(config_->config());
        const std::scoped_lock lock(mutex_);
        for (const auto& [key, totals] : snapshot.totals) {
            memory_.totals.emplace(memory_.pin_drivers.label(key.first), key.second);
        }
        MetricSource source{snapshot, memory_, config};
        for (const Metric& metric : metric_table()) {
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
    const ConfigSource* config_;
    // Collect() is const by its interface, but labels must be remembered from one scrape to the next.
    mutable std::mutex mutex_;
    mutable MetricMemory memory_;
};

}  // namespace

std::vector<MetricInfo> metric_catalogue()
{
    std::vector<MetricInfo> catalogue{responding_info()};
    for (const Metric& metric : metric_table()) {
        catalogue.push_back(metric.info);
    }
    for (const ProcessMetric& metric : process_metrics()) {
        catalogue.push_back(metric.info);
    }
    return catalogue;
}

std::string metric_table_markdown()
{
    std::string text = "| metric | type | unit | labels | series | what it says |\n|---|---|---|---|---|---|\n";
    for (const MetricInfo& metric : metric_catalogue()) {
        std::string labels;
        for (const std::string_view label : metric.labels) {
            labels += (labels.empty() ? "`" : ", `") + std::string(label) + "`";
        }
        text += "| `" + std::string(metric.name) + "` | " + std::string(metric.type) + " | " +
                std::string(metric.unit) + " | " + labels + " | " + std::to_string(metric.series) + " | " +
                std::string(metric.help) + (metric.note.empty() ? "" : " ") + std::string(metric.note) + " |\n";
    }
    return text;
}

std::shared_ptr<prometheus::Collectable> make_collectable(Pipeline& pipeline, const ConfigSource* config)
{
    return std::make_shared<Collector>(pipeline, config);
}

}  // namespace pinwarden
