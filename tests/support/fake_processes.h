// Processes as a test wants them.
#pragma once

#include <cstddef>
#include <set>

#include "ledger/process_table.h"

namespace pinwarden::test {

class FakeProcesses final : public ProcessTable {
public:
    bool gone(const ProcessId& process) override
    {
        ++asked;
        return dead.contains(process);
    }

    std::set<ProcessId> dead;
    std::size_t asked = 0;
};

}  // namespace pinwarden::test
