// Looking through and moving about the flat arrays that the nodes of a PartTable are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace pinwarden {

// How many of the ascending values are less: of each eighth the last one is looked at, then all of one eighth. Nothing
// waits for anything but the second look for the first, neither memory nor guesses, and unused values, which are the
// greatest, cost less than to know how many are used.
template <std::size_t Count>
std::size_t count_less(const std::uint64_t* values, std::uint64_t value)
{
    constexpr std::size_t kStep = 8;
    std::size_t steps = 0;
#pragma GCC unroll 16
    for (std::size_t i = kStep - 1; i < Count - kStep; i += kStep) {
        steps += values[i] < value ? 1 : 0;
    }
    const std::uint64_t* const first = values + steps * kStep;
    std::size_t rest = 0;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kStep; ++i) {
        rest += first[i] < value ? 1 : 0;
    }
    return steps * kStep + rest;
}

inline std::ptrdiff_t to_difference(std::size_t at)
{
    return static_cast<std::ptrdiff_t>(at);
}

template <typename Array>
void shift(Array& array, std::size_t first, std::size_t end, std::size_t to)
{
    auto* const all = array.data();
    if (to < first) {
        std::move(all + first, all + end, all + to);
    } else {
        std::move_backward(all + first, all + end, all + to + (end - first));
    }
}

}  // namespace pinwarden
