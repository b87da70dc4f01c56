// What is known of pins from before the daemon's start: another daemon followed them then. The real one reads what that
// one left behind; tests have a list.
#pragma once

#include <memory>
#include <vector>

#include "ledger/records.h"

namespace pinwarden {

class FormerPins {
public:
    FormerPins() = default;
    FormerPins(const FormerPins&) = delete;
    FormerPins& operator=(const FormerPins&) = delete;
    virtual ~FormerPins() = default;

    // Takes in what has been told until now.
    virtual void refresh() = 0;
    // Whether everything was told between that daemon's time and now. If not, a pin may be gone, and another may hold
    // the same page.
    [[nodiscard]] virtual bool complete() const = 0;

    struct Holding {
        std::shared_ptr<const PinRecord> pin;
        PageRun pages;
        std::uint64_t position = 0;  // of the first, in the pin
    };
    // Who holds pages of the run, each with an owner that is known, of those this daemon did not see being made.
    [[nodiscard]] virtual std::vector<Holding> on(PageRun run) const = 0;
    // It is this daemon's business from now on.
    virtual void forget(const Holding& holding) = 0;
};

}  // namespace pinwarden
