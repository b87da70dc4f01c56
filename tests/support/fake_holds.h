// Stands in for the kernel's table of held operations.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "act/hold_sink.h"

namespace pinwarden {

class FakeHolds final : public HoldSink {
public:
    Nanoseconds attended_until = 0;
    bool guarded = true;
    std::vector<HeldOperation> held;
    std::map<std::uint64_t, Outcome> released;
    std::vector<ProcessId> resumed;
    std::set<std::uint32_t> running;  // threads that are not stopped
    std::vector<std::uint64_t> forgotten;

    std::optional<std::string> attend(Nanoseconds until) override
    {
        attended_until = guarded ? until : 0;
        return guarded ? std::nullopt : std::optional<std::string>("the guardian is gone");
    }
    [[nodiscard]] std::uint64_t under_way() const override { return held.size(); }
    std::vector<HeldOperation> list() override { return held; }
    Result<void> release(std::uint64_t id, Outcome outcome) override
    {
        released[id] = outcome;
        return {};
    }
    void resume(const ProcessId& process) override { resumed.push_back(process); }
    bool stopped(const Task& caller) override { return !running.contains(caller.tid); }
    void forget(const HeldOperation& one) override
    {
        forgotten.push_back(one.id);
        std::erase_if(held, [&](const HeldOperation& other) { return other.id == one.id; });
    }
    // How often since it was last asked.
    std::size_t take_resumed() { return std::exchange(resumed, {}).size(); }
};

}  // namespace pinwarden
