// The processes of this machine, by /proc.
#pragma once

#include "ledger/process_table.h"

namespace pinwarden {

class ProcProcesses final : public ProcessTable {
public:
    ProcProcesses();
    bool gone(const ProcessId& process) override;

private:
    bool usable_;  // pids here are those the kernel reports
};

}  // namespace pinwarden
