// Which processes there are. The real one asks /proc; tests have a list.
#pragma once

#include "decode/event.h"

namespace pinwarden {

class ProcessTable {
public:
    ProcessTable() = default;
    ProcessTable(const ProcessTable&) = delete;
    ProcessTable& operator=(const ProcessTable&) = delete;
    virtual ~ProcessTable() = default;

    // Whether the process, with all its threads, is gone for certain; false as well when that cannot be told.
    virtual bool gone(const ProcessId& process) = 0;
};

}  // namespace pinwarden
