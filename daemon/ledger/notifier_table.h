// Who listens to an address space through mmu notifiers: on-demand ranges, and whole address spaces (KVM). They pin
// nothing, so the ledger has no pins of theirs, and nothing they have is ever a conflict.
//
// Known are those registered since the start. Owned by the pipeline thread.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "decode/event.h"

namespace pinwarden {

struct NotifierRecord {
    Task owner;  // who registered it
    bool owner_exited = false;
    std::string driver;
    bool on_demand = false;  // for a range; else for all of the address space
    AddressRange range;
    Nanoseconds since = 0;
};

// Of one driver.
struct NotifierTotals {
    std::uint64_t ranges = 0;
    std::uint64_t on_demand_bytes = 0;  // of the ranges; what several cover counts for each
    std::uint64_t spaces = 0;
};

class NotifierTable {
public:
    static constexpr std::size_t kMost = 65536;

    explicit NotifierTable(std::size_t most = kMost) : most_(most) {}

    // event.gone removes. A driver that registers more than there is room for is counted in left_out().
    void apply(const NotifierEvent& event, std::string driver);
    void exit(const ProcessId& process);

    // In order of registration.
    [[nodiscard]] std::vector<NotifierRecord> all() const;
    [[nodiscard]] std::map<std::string, NotifierTotals> totals() const;
    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }

private:
    std::size_t most_;
    std::uint64_t next_ = 0;
    std::uint64_t left_out_ = 0;
    absl::flat_hash_map<std::uint64_t, std::uint64_t> numbers_;  // notifier → key in records_
    absl::btree_map<std::uint64_t, NotifierRecord> records_;
};

}  // namespace pinwarden
