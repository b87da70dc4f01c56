// Prints what was measured as Markdown, one table for each group of rows, when all is done.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pinwarden::bench {

// A benchmark's name is "group/row"; its counters are the columns.
class TableReporter : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;
    void Finalize() override;

private:
    struct Row {
        std::string name;
        std::map<std::string, double> counters;
    };
    struct Group {
        std::string name;
        std::vector<Row> rows;
    };

    std::vector<Group> groups_;
    std::string machine_;
};

}  // namespace pinwarden::bench
