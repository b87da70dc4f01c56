// The table behind the catalogue: each metric with how it is filled. For metrics.cpp.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "publish/config_view.h"
#include "publish/label_cap.h"
#include "publish/metrics.h"
#include "publish/process_facts.h"
#include "publish/snapshot.h"

namespace pinwarden {

inline double seconds(Nanoseconds time)
{
    constexpr double kNano = 1e-9;
    return static_cast<double>(time) * kNano;
}

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

// What is remembered from one scrape to the next.
struct MetricMemory {
    static constexpr std::size_t kPinDrivers = 5;
    static constexpr std::size_t kFewDrivers = 3;
    static constexpr std::size_t kPolicies = 12;

    LabelCap pin_drivers{kPinDrivers, {"io_uring", "rdma_rxe", "vfio"}};
    LabelCap drivers{kFewDrivers, {"io_uring", "rdma_rxe", "vfio"}};  // where other labels multiply them
    LabelCap notifiers{kFewDrivers, {"kvm"}};
    LabelCap policies{kPolicies};
    // (driver, backing) that had pins once: a gauge goes to zero, it does not vanish.
    std::set<std::pair<std::string, Backing>> totals;
};

struct MetricSource {
    const MetricsSnapshot& now;
    MetricMemory& memory;
    const std::optional<ConfigView>& config;
};

struct Metric {
    MetricInfo info;
    void (*fill)(MetricSource& source, Series& out);
    Histogram MetricsSnapshot::* histogram = nullptr;  // in place of `fill`
};

const std::vector<Metric>& metric_table();
// The part of it that is about trust.
std::vector<Metric> trust_table();

// Those that do not come from the pipeline.
const MetricInfo& responding_info();
struct ProcessMetric {
    MetricInfo info;
    double (*value)(const ProcessUse& use);
};
const std::vector<ProcessMetric>& process_metrics();

}  // namespace pinwarden
