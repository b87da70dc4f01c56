// Which positions of a pin are still pinned. As intervals while these are few: one for an untouched pin, one for a pin
// that is let go page by page from either end. As bits where intervals would take more memory: scattered pages let go
// in any order.
//
// Cost, with I intervals: O(log I) for every query; O(log I) for a removal plus O(1) for each interval it swallows. As
// bits: see PositionBits; changing from one to the other costs O(1) for each 64 positions, after a change of as many
// intervals as pay for it.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "ledger/position_bits.h"

namespace pinwarden {

class LivePositions {
public:
    LivePositions() = default;
    // Positions 0 .. count - 1.
    explicit LivePositions(std::uint64_t count);

    // Takes positions first .. first + count - 1 out; those that are not in are passed over.
    void remove(std::uint64_t first, std::uint64_t count);

    // The smallest range [first, end) that holds every live position of the given range; nothing when there is none.
    [[nodiscard]] std::optional<std::pair<std::uint64_t, std::uint64_t>> bounds(std::uint64_t first,
                                                                                std::uint64_t end) const;
    // How many live positions the range [first, end) has. O(1) more for each interval, or 64 positions, in it.
    [[nodiscard]] std::uint64_t count_within(std::uint64_t first, std::uint64_t end) const;
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }

private:
    using Intervals = absl::btree_map<std::uint64_t, std::uint64_t>;  // first position → one past the last

    [[nodiscard]] Intervals::const_iterator first_behind(std::uint64_t position) const;
    void remove_intervals(std::uint64_t first, std::uint64_t end);
    void remove_bits(std::uint64_t first, std::uint64_t end);
    void become_bits();
    void become_intervals();

    Intervals intervals_;
    std::unique_ptr<PositionBits> bits_;  // then intervals_ is empty
    std::uint64_t size_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t bit_intervals_ = 0;
};

}  // namespace pinwarden
