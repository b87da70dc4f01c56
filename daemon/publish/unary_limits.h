// What answers that nobody takes may cost. See unary_calls.h.
#pragma once

#include <chrono>
#include <cstddef>

namespace pinwarden {

struct UnaryLimits {
    std::size_t threads = 16;
    // Of answers, all together, as they are sent; in memory they take some times as much. One may be more by itself.
    std::size_t untaken_bytes = 32U << 20U;
    std::chrono::milliseconds patience{10'000};  // with who does not take an answer
};

}  // namespace pinwarden
