// The objects that pins belong to, as the programs that follow them know them (bpf/scope_maps.bpf.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "kernel/programs.h"
#include "ledger/page_truth.h"

namespace pinwarden {

class ObjectTable {
public:
    // `maps` is borrowed from Programs, which must outlive this.
    explicit ObjectTable(const MapFds& maps) : tasks_(maps.tasks), objects_(maps.objects) {}

    // The numbers, ascending, of all objects there are: also of those that are being made or let go just now. What was
    // made after the call began may be missing.
    [[nodiscard]] Result<std::vector<std::uint64_t>> live() const;
    // Which threads are in the middle of making such an object or letting one go, or in the kernel's long-term loop.
    [[nodiscard]] Result<std::vector<CallUnderWay>> calls_under_way() const;

private:
    int tasks_;
    int objects_;
};

}  // namespace pinwarden
