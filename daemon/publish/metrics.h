// Every metric pinwardend has, and how it is filled. docs/metrics.md explains them to people.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "publish/snapshot.h"

namespace prometheus {
class Collectable;
}

namespace pinwarden {

// Promised to whoever pays for the time series database.
inline constexpr std::size_t kMaxSeriesPerMetric = 372;
// Drivers with series of their own; whatever comes later is summed under driver="other".
inline constexpr std::size_t kMaxDriverLabels = 15;
// Fewer where operations and verdicts multiply them.
inline constexpr std::size_t kMaxConflictDriverLabels = 3;

struct MetricInfo {
    std::string_view name;
    std::string_view type;  // gauge, counter or histogram
    std::string_view help;
    std::vector<std::string_view> labels;
};

std::vector<MetricInfo> metric_catalogue();

// Asks the pipeline at every scrape. When it does not answer, only pinwarden_pipeline_responding is shown, as 0: old
// numbers would look like a quiet machine. May be used from several threads; `pipeline` must outlive it.
std::shared_ptr<prometheus::Collectable> make_collectable(Pipeline& pipeline);

}  // namespace pinwarden
