// Every metric pinwardend has, and how it is filled. docs/metrics.md, which is made from this, explains them to people.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "publish/config_view.h"
#include "publish/snapshot.h"

namespace prometheus {
class Collectable;
}

namespace pinwarden {

// Promised to whoever pays for the time series database: of all metrics together, whatever the host does.
inline constexpr std::size_t kMaxSeries = 500;
// Of the option that asks for series by cgroup.
inline constexpr std::size_t kMaxCgroupLabels = 20;

struct MetricInfo {
    std::string_view name;
    std::string_view type;  // gauge, counter or histogram
    std::string_view unit;  // bytes, seconds, pins, ...; "1" for what is true or not
    std::string_view help;  // one sentence, for /metrics
    std::vector<std::string_view> labels;
    std::size_t series;     // at most; of a histogram its buckets, sum and count
    std::string_view note;  // for people, behind the sentence; may be empty
};

std::vector<MetricInfo> metric_catalogue();
// The catalogue as a table of Markdown.
std::string metric_table_markdown();

// Asks the pipeline at every scrape. When it does not answer, only pinwarden_pipeline_responding and what the kernel
// says of this process are shown: old numbers would look like a quiet machine. May be used from several threads; what
// is given must outlive it. Without `config` nothing is told of the configuration.
std::shared_ptr<prometheus::Collectable> make_collectable(Pipeline& pipeline, const ConfigSource* config = nullptr);

}  // namespace pinwarden
