#include "ledger/notifier_table.h"

#include <utility>

namespace pinwarden {

void NotifierTable::apply(const NotifierEvent& event, std::string driver)
{
    if (const auto known = numbers_.find(event.notifier); known != numbers_.end()) {
        records_.erase(known->second);
        numbers_.erase(known);
    }
    if (event.gone) {
        return;
    }
    if (records_.size() >= most_) {
        ++left_out_;
        return;
    }
    numbers_.emplace(event.notifier, next_);
    records_.emplace(next_++, NotifierRecord{.owner = event.owner,
                                             .owner_exited = false,
                                             .driver = std::move(driver),
                                             .on_demand = event.kind == PW_NOTIFIER_RANGE,
                                             .range = event.range,
                                             .since = event.time});
}

void NotifierTable::exit(const ProcessId& process)
{
    for (auto& [number, record] : records_) {
        record.owner_exited = record.owner_exited || record.owner.process == process;
    }
}

std::vector<NotifierRecord> NotifierTable::all() const
{
    std::vector<NotifierRecord> records;
    records.reserve(records_.size());
    for (const auto& [number, record] : records_) {
        records.push_back(record);
    }
    return records;
}

std::map<std::string, NotifierTotals> NotifierTable::totals() const
{
    std::map<std::string, NotifierTotals> totals;
    for (const auto& [number, record] : records_) {
        NotifierTotals& total = totals[record.driver];
        if (record.on_demand) {
            ++total.ranges;
            total.on_demand_bytes += record.range.bytes;
        } else {
            ++total.spaces;
        }
    }
    return totals;
}

}  // namespace pinwarden
