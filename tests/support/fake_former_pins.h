// What another daemon knew of pins, as a test says.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "ledger/former_pins.h"

namespace pinwarden::test {

class FakeFormerPins final : public FormerPins {
public:
    void refresh() override { ++refreshed; }
    [[nodiscard]] bool complete() const override { return is_complete; }
    [[nodiscard]] std::vector<Holding> on(PageRun run) const override
    {
        std::vector<Holding> found;
        for (const Holding& holding : holdings) {
            const PageNumber first = std::max(run.first, holding.pages.first);
            const PageNumber end = std::min(run.first + run.count, holding.pages.first + holding.pages.count);
            if (first < end) {
                const std::uint64_t position = holding.position + (first - holding.pages.first);
                found.push_back({holding.pin, {first, end - first}, position});
            }
        }
        return found;
    }
    void forget(const Holding& /*holding*/) override {}

    void hold(const PinRecord& pin, PageRun pages, std::uint64_t position)
    {
        holdings.push_back({std::make_shared<PinRecord>(pin), pages, position});
    }

    std::vector<Holding> holdings;
    bool is_complete = true;
    int refreshed = 0;
};

}  // namespace pinwarden::test
