// Sizes and durations as policy text writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace pinwarden {

// "4096", "64KiB", "1MiB", "2GiB", "1TiB" → bytes. The message says what is wrong and which units there are.
Result<std::uint64_t> parse_size(std::string_view text);
// "500ms", "5s", "2m", "1h" (also ns and us) → nanoseconds. The unit must be given.
Result<Nanoseconds> parse_duration(std::string_view text);

// In the largest unit that leaves a whole number; parse_size and parse_duration read it back to the same value.
std::string format_size(std::uint64_t bytes);
std::string format_duration(Nanoseconds duration);

}  // namespace pinwarden
