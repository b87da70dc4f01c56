// A ledger, the memory it should describe, and an audit between the two.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <vector>

#include "ledger/audit.h"
#include "support/fake_former_pins.h"
#include "support/fake_owners.h"
#include "support/fake_page_truth.h"
#include "support/ledgers.h"

namespace pinwarden::test {

inline constexpr Nanoseconds kASecond = 1'000'000'000;

class SetClock final : public Clock {
public:
    [[nodiscard]] Nanoseconds now() const override { return time_; }
    [[nodiscard]] Nanoseconds boot_to_unix() const override { return 0; }
    void set(Nanoseconds time) { time_ = time; }

private:
    Nanoseconds time_ = kASecond;
};

struct Books {
    Ledger ledger;
    FakePageTruth truth;
    SetClock clock;
    FakeOwners owners;
    std::map<PinId, Task> inferred;
    FakeFormerPins former;
    std::map<PinId, PinRecord> taken_over;
    std::uint64_t adopted = 0;

    Books()
    {
        // What the kernel does when it adopts: the pin comes like any other.
        truth.on_adopt = [this](const std::vector<PageNumber>& pages, bool folio) {
            PinEvent pin = pin_event(1000 + ++adopted, pages.size(), 0);
            pin.function = folio ? PW_ADOPTED_FOLIO : PW_ADOPTED;
            pin.requested_pages = folio ? 512 : pages.size();
            ledger.pin(pin, "unknown");
            std::vector<PageRun> runs;
            for (const PageNumber page : pages) {
                runs.push_back({page, 1});
            }
            ledger.pages(pages_event(1000 + adopted, runs));
        };
    }

    AuditReport audit(AuditOptions options = {})
    {
        Audit audit({.ledger = ledger,
                     .truth = truth,
                     .clock = clock,
                     .release = [this](const ReleaseEvent& event) { ledger.release(event); },
                     .owners = &owners,
                     .inferred = [this](PinId id, const Task& owner) { inferred[id] = owner; },
                     .former = &former,
                     .taken_over = [this](PinId id, const PinRecord& pin) { taken_over[id] = pin; }},
                    options);
        for (int steps = 0; steps < 1000; ++steps) {
            const auto next = audit.step();
            REQUIRE(next.has_value());
            if (!*next) {
                return audit.report();
            }
            clock.set(**next);
        }
        FAIL("the audit does not end");
        return {};
    }
};

}  // namespace pinwarden::test
