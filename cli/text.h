// Numbers, names and colours for people at a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pinwarden::cli {

// "512 B", "4.0 KiB", "1.5 GiB".
std::string human_bytes(std::uint64_t bytes);
// "3s", "2m10s", "5h02m", "12d04h": two units at most.
std::string human_age(std::int64_t seconds);
// The same for what may be short: "0ms", "250ms", "3.2s" below a minute, then as human_age.
std::string human_duration(std::int64_t seconds, std::int32_t nanoseconds);
// Local time of day with milliseconds, "14:03:07.123", from seconds and nanoseconds since the Unix epoch.
std::string clock_time(std::int64_t seconds, std::int32_t nanoseconds);

// File and process names are chosen by others, and a terminal obeys control characters: these become \xNN (or \uNNNN),
// and so do the ones that turn the direction of writing around. `text` must be UTF-8.
std::string visible(std::string_view text);
// A character as a terminal shows it, with what is drawn over it and with the colours that begin before it.
struct Glyph {
    std::string_view text;
    std::size_t columns = 0;  // 2: Chinese, Japanese and Korean characters, emoji
};

// Views into `text`, all of it. UTF-8 that is wrong counts one column for each first byte.
std::vector<Glyph> glyphs(std::string_view text);
// Columns `text` takes.
std::size_t width(std::string_view text);

// Without their ends; of a text that is empty none.
std::vector<std::string> split_lines(const std::string& text);

enum class Colour { kNone, kRed, kGreen, kYellow, kBold };

struct Style {
    bool colours = false;
    bool terminal = false;                 // what is shown again is shown in the same place
    std::size_t columns = 0;               // lines take no more; 0: as much as they need
    std::string_view ellipsis = "\u2026";  // for what is left out, of static storage

    [[nodiscard]] std::string paint(std::string_view text, Colour colour) const;
};

}  // namespace pinwarden::cli
