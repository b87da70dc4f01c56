// Pins whose owner is gone, in the order in which that happened.
#pragma once

#include <absl/container/btree_set.h>

#include <optional>
#include <utility>
#include <vector>

#include "ledger/records.h"

namespace pinwarden {

class Orphans {
public:
    void add(PinId pin, Nanoseconds since) { young_.emplace(since, pin); }
    void remove(PinId pin, Nanoseconds since)
    {
        young_.erase({since, pin});
        leaks_.erase({since, pin});
    }

    // Those that became orphans at `latest` or before, oldest first; each is returned once.
    std::vector<PinId> take_leaks(Nanoseconds latest)
    {
        std::vector<PinId> taken;
        while (!young_.empty() && young_.begin()->first <= latest) {
            taken.push_back(young_.begin()->second);
            leaks_.insert(*young_.begin());
            young_.erase(young_.begin());
        }
        return taken;
    }

    // When the oldest that was not yet taken became an orphan.
    [[nodiscard]] std::optional<Nanoseconds> next() const
    {
        return young_.empty() ? std::nullopt : std::optional(young_.begin()->first);
    }
    // When the oldest of all did.
    [[nodiscard]] std::optional<Nanoseconds> oldest() const
    {
        return leaks_.empty() ? next() : std::optional(leaks_.begin()->first);
    }

    // All, oldest first.
    template <typename Visitor>
    void visit(Visitor visitor) const
    {
        for (const auto* pins : {&leaks_, &young_}) {
            for (const auto& [since, pin] : *pins) {
                visitor(pin);
            }
        }
    }

private:
    absl::btree_set<std::pair<Nanoseconds, PinId>> young_;
    absl::btree_set<std::pair<Nanoseconds, PinId>> leaks_;  // all older than any of young_
};

}  // namespace pinwarden
