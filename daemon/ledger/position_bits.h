// A set of positions as one bit each, below summaries: a bit of a summary says whether the word it stands for has any.
// An eighth of a byte for each position, whatever is in the set.
//
// Cost, with N positions: O(log N), to the base of 64, to find the next or the last; O(1) more for each 64 positions of
// a range that has any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace pinwarden {

class PositionBits {
public:
    // For positions 0 .. size - 1, none of them in the set. `size` is not 0.
    explicit PositionBits(std::uint64_t size);

    void insert(std::uint64_t first, std::uint64_t end);
    // Returns how many of them were in the set.
    std::uint64_t remove(std::uint64_t first, std::uint64_t end);

    // The least in the set that is not below `from`, which may lie behind the end.
    [[nodiscard]] std::optional<std::uint64_t> next(std::uint64_t from) const;
    // The least that is not in the set, from `from` on.
    [[nodiscard]] std::uint64_t next_gap(std::uint64_t from) const;
    // The greatest below `end`, which may lie behind the end.
    [[nodiscard]] std::optional<std::uint64_t> last_before(std::uint64_t end) const;
    [[nodiscard]] std::uint64_t count(std::uint64_t first, std::uint64_t end) const;
    // How many intervals begin with one of these positions.
    [[nodiscard]] std::uint64_t intervals(std::uint64_t first, std::uint64_t end) const;

private:
    static constexpr std::uint64_t kWord = 64;
    static constexpr std::size_t kLevels = 6;  // of 2^32 positions

    [[nodiscard]] std::uint64_t word_within(std::uint64_t word, std::uint64_t first, std::uint64_t end) const;
    void set_word(std::uint64_t word, std::uint64_t value);

    std::vector<std::uint64_t> words_;   // the positions, then their summary, then the summary of that …
    std::vector<std::uint32_t> levels_;  // where each of these starts, and where the last one ends
};

}  // namespace pinwarden
