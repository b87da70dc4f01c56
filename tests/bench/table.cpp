#include "bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>

namespace pinwarden::bench {
namespace {

std::string processor()
{
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) {
            return line.substr(colon + 2);
        }
    }
    return "an unknown processor";
}

// Three digits that count.
int digits(double value)
{
    return value < 10 ? 2 : (value < 100 ? 1 : 0);
}

}  // namespace

bool TableReporter::ReportContext(const Context& context)
{
    machine_ = fmt::format("{} x {}", context.cpu_info.num_cpus, processor());
    return true;
}

void TableReporter::ReportRuns(const std::vector<Run>& runs)
{
    for (const Run& run : runs) {
        const std::string& whole = run.run_name.function_name;
        const auto slash = whole.find('/');
        const std::string group = whole.substr(0, slash);
        std::fputs(fmt::format("  {}\n", whole).c_str(), stderr);
        if (groups_.empty() || groups_.back().name != group) {
            groups_.push_back({group, {}});
        }
        Row row{whole.substr(slash + 1), {}};
        for (const auto& [name, counter] : run.counters) {
            row.counters[name] = counter.value;
        }
        groups_.back().rows.push_back(std::move(row));
    }
}

void TableReporter::Finalize()
{
    std::string text = fmt::format("Measured on {}, with nothing but the allocator's count for bytes.\n", machine_);
    for (const Group& group : groups_) {
        std::set<std::string> columns;
        for (const Row& row : group.rows) {
            for (const auto& [name, value] : row.counters) {
                columns.insert(name);
            }
        }
        fmt::format_to(std::back_inserter(text), "\n### {}\n\n| |", group.name);
        for (const std::string& column : columns) {
            fmt::format_to(std::back_inserter(text), " {} |", column);
        }
        text += "\n|---|";
        for (std::size_t i = 0; i < columns.size(); ++i) {
            text += "--:|";
        }
        for (const Row& row : group.rows) {
            fmt::format_to(std::back_inserter(text), "\n| {} |", row.name);
            for (const std::string& column : columns) {
                const auto found = row.counters.find(column);
                text += found == row.counters.end() ? " |"
                                                    : fmt::format(" {:.{}f} |", found->second, digits(found->second));
            }
        }
        text += '\n';
    }
    std::fputs(text.c_str(), stdout);
}

}  // namespace pinwarden::bench
