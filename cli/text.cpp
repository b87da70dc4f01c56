#include "cli/text.h"

#include <clocale>
#include <cwchar>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <numeric>

namespace pinwarden::cli {
namespace {

template <typename... Values>
std::string print(const char* format, Values... values)
{
    std::array<char, 64> buffer{};
    const int length = std::snprintf(buffer.data(), buffer.size(), format, values...);
    return {buffer.data(), static_cast<std::size_t>(std::clamp(length, 0, 63))};
}

bool continues_sequence(char byte)
{
    return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
}

// C1 controls, and the marks, embeddings, overrides and isolates of the bidirectional algorithm; line separators.
bool is_harmful(unsigned code_point)
{
    return (code_point >= 0x80 && code_point <= 0x9f) || (code_point >= 0x200e && code_point <= 0x200f) ||
           (code_point >= 0x2028 && code_point <= 0x202e) || (code_point >= 0x2066 && code_point <= 0x2069);
}

// All harmful code points have two or three bytes in UTF-8; 0 for the rest.
unsigned short_code_point(std::string_view sequence)
{
    const auto bits = [&](std::size_t at, unsigned mask) { return static_cast<unsigned char>(sequence[at]) & mask; };
    if (sequence.size() == 2) {
        return bits(0, 0x1f) << 6U | bits(1, 0x3f);
    }
    if (sequence.size() == 3) {
        return bits(0, 0x0f) << 12U | bits(1, 0x3f) << 6U | bits(2, 0x3f);
    }
    return 0;
}

// Bytes of the character that `text` begins with.
std::size_t sequence_length(std::string_view text)
{
    std::size_t length = 1;
    while (length < text.size() && continues_sequence(text[length])) {
        ++length;
    }
    return length;
}

// 0: it is not UTF-8.
wchar_t code_point(std::string_view sequence)
{
    constexpr std::array<unsigned, 5> kLeadBits{0, 0x7f, 0x1f, 0x0f, 0x07};
    constexpr std::array<unsigned, 5> kLeads{0, 0x00, 0xc0, 0xe0, 0xf0};
    const std::size_t length = sequence.size();
    const auto lead = static_cast<unsigned char>(sequence.front());
    if (length >= kLeads.size() || (lead & ~kLeadBits.at(length)) != kLeads.at(length)) {
        return 0;
    }
    unsigned value = lead & kLeadBits.at(length);
    for (const char byte : sequence.substr(1)) {
        value = value << 6U | (static_cast<unsigned char>(byte) & 0x3fU);
    }
    return static_cast<wchar_t>(value);
}

// glibc knows the widths of all characters in any locale of UTF-8, whichever the user's is.
class UnicodeWidths {
public:
    UnicodeWidths() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}

    [[nodiscard]] std::size_t of(std::string_view sequence) const
    {
        const wchar_t point = sequence.size() == 1 ? 0 : code_point(sequence);
        if (point == 0 || locale_ == nullptr) {
            return 1;
        }
        const locale_t before = ::uselocale(locale_);
        const int columns = ::wcwidth(point);
        ::uselocale(before);
        return columns < 0 ? 1 : static_cast<std::size_t>(columns);
    }

private:
    locale_t locale_;  // as long as the process
};

constexpr std::string_view kColourBegins = "\x1b[";
constexpr std::string_view kColourEnds = "\x1b[0m";

// Of what Style::paint puts before a text; names have no escape character, see visible().
std::size_t colour_length(std::string_view text)
{
    const std::size_t end = text.starts_with(kColourBegins) ? text.find('m') : std::string_view::npos;
    return end == std::string_view::npos ? 0 : end + 1;
}

// What takes no column of its own after a character.
std::size_t attached_length(std::string_view text, const UnicodeWidths& widths)
{
    std::size_t length = 0;
    while (length < text.size()) {
        const std::string_view rest = text.substr(length);
        const std::size_t next = sequence_length(rest);
        if (rest.starts_with(kColourEnds)) {
            length += kColourEnds.size();
        } else if (widths.of(rest.substr(0, next)) == 0) {
            length += next;
        } else {
            break;
        }
    }
    return length;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes)
{
    constexpr std::array<const char*, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t unit = 0;
    auto value = static_cast<double>(bytes);
    // What would be printed as 1024.0 belongs to the next unit.
    while (value >= 1023.95 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? print("%.0f B", value) : print("%.1f %s", value, kUnits[unit]);
}

std::string human_age(std::int64_t seconds)
{
    const auto total = static_cast<long long>(std::max<std::int64_t>(seconds, 0));
    if (total < 60) {
        return print("%llds", total);
    }
    if (total < 3600) {
        return print("%lldm%02llds", total / 60, total % 60);
    }
    if (total < 86400) {
        return print("%lldh%02lldm", total / 3600, total / 60 % 60);
    }
    return print("%lldd%02lldh", total / 86400, total / 3600 % 24);
}

std::string human_duration(std::int64_t seconds, std::int32_t nanoseconds)
{
    // Cut, not rounded: 59.96s is not yet a minute.
    const int milliseconds = nanoseconds / 1'000'000;
    if (seconds < 0 || nanoseconds < 0) {
        return "0ms";
    }
    if (seconds == 0) {
        return print("%dms", milliseconds);
    }
    if (seconds >= 60 || milliseconds < 100) {
        return human_age(seconds);
    }
    return print("%d.%ds", static_cast<int>(seconds), milliseconds / 100);
}

std::string clock_time(std::int64_t seconds, std::int32_t nanoseconds)
{
    const std::time_t time = seconds;
    std::tm local{};
    static_cast<void>(localtime_r(&time, &local));
    return print("%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec, nanoseconds / 1'000'000);
}

std::string visible(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::string_view sequence = text.substr(0, sequence_length(text));
        text.remove_prefix(sequence.size());
        const auto lead = static_cast<unsigned char>(sequence.front());
        if (lead < 0x20 || lead == 0x7f) {
            out += print("\\x%02x", unsigned{lead});
        } else if (const unsigned code_point = short_code_point(sequence); is_harmful(code_point)) {
            out += print("\\u%04x", code_point);
        } else {
            out += sequence;
        }
    }
    return out;
}

std::vector<Glyph> glyphs(std::string_view text)
{
    static const UnicodeWidths widths;
    std::vector<Glyph> all;
    all.reserve(text.size());
    while (!text.empty()) {
        std::size_t length = 0;
        while (const std::size_t colour = colour_length(text.substr(length))) {
            length += colour;
        }
        std::size_t columns = 0;
        if (length < text.size()) {
            const std::size_t next = sequence_length(text.substr(length));
            columns = widths.of(text.substr(length, next));
            length += next;
        }
        length += attached_length(text.substr(length), widths);
        all.push_back({text.substr(0, length), columns});
        text.remove_prefix(length);
    }
    return all;
}

std::size_t width(std::string_view text)
{
    const std::vector<Glyph> all = glyphs(text);
    return std::accumulate(all.begin(), all.end(), std::size_t{0},
                           [](std::size_t sum, const Glyph& glyph) { return sum + glyph.columns; });
}

std::string Style::paint(std::string_view text, Colour colour) const
{
    constexpr std::array<std::string_view, 5> kCodes{"", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m"};
    if (!colours || colour == Colour::kNone || text.empty()) {
        return std::string(text);
    }
    return std::string(kCodes.at(static_cast<std::size_t>(colour))) + std::string(text) + "\x1b[0m";
}

std::vector<std::string> split_lines(const std::string& text)
{
    std::vector<std::string> lines;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = std::min(text.find('\n', from), text.size());
        lines.push_back(text.substr(from, end - from));
        from = end + 1;
    }
    return lines;
}

}  // namespace pinwarden::cli
