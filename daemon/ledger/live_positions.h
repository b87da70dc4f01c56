// Which positions of a pin are still pinned, as intervals: one for an untouched pin, one for a pin that is let go page
// by page from either end, at worst one for every second page.
//
// Cost, with I intervals: O(log I) for every query; O(log I) for a removal plus O(1) for each interval it swallows.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <optional>
#include <utility>

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
    // How many live positions the range [first, end) has. O(1) more for each interval in it.
    [[nodiscard]] std::uint64_t count_within(std::uint64_t first, std::uint64_t end) const;
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }

private:
    absl::btree_map<std::uint64_t, std::uint64_t> intervals_;  // first position → one past the last
    std::uint64_t count_ = 0;
};

}  // namespace pinwarden
