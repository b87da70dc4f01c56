// Finds owners that are gone although no record said so: it was lost. Looks at a few owners each time, in turn.
#pragma once

#include <cstddef>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/process_table.h"

namespace pinwarden {

class OwnerCheck {
public:
    static constexpr std::size_t kAtOnce = 24;
    // An owner's end is believed when it is seen twice, this far apart: the record may be on its way.
    static constexpr Nanoseconds kBelieveAfter = 1'000'000'000;

    // `processes` must outlive this.
    explicit OwnerCheck(ProcessTable& processes) : processes_(processes) {}

    // Owners in the ledger that are gone and not known to be.
    std::vector<ProcessId> look(const Ledger& ledger, Nanoseconds now);

private:
    ProcessTable& processes_;
    ProcessId last_;  // looked at
    absl::btree_map<ProcessId, Nanoseconds> suspected_;
};

}  // namespace pinwarden
