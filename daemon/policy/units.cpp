#include "policy/units.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <span>

namespace pinwarden {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// Smallest first.
constexpr std::array kSizeUnits = {
    Unit{"", 1}, Unit{"KiB", 1ULL << 10U}, Unit{"MiB", 1ULL << 20U}, Unit{"GiB", 1ULL << 30U}, Unit{"TiB", 1ULL << 40U},
};
constexpr std::array kDurationUnits = {
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"ms", 1'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"h", 3'600'000'000'000},
};

// What kind of value it is, and how it is written: the end of every message.
struct Quantity {
    std::string_view noun;
    std::string_view hint;
    std::span<const Unit> units;
};

constexpr Quantity kSize = {"size", "write bytes as a plain number, or with KiB, MiB, GiB or TiB: 4096, 64KiB, 1MiB",
                            kSizeUnits};
constexpr Quantity kDuration = {"duration", "write a whole number with ms, s, m or h: 500ms, 5s, 2m, 1h",
                                kDurationUnits};

std::unexpected<Error> refuse(const Quantity& quantity, std::string_view text, std::string_view what)
{
    return fail("\"" + std::string(text) + "\" " + std::string(what) + " (" + std::string(quantity.hint) + ")", EINVAL);
}

const Unit* find_unit(const Quantity& quantity, std::string_view name)
{
    for (const Unit& unit : quantity.units) {
        if (unit.name == name) {
            return &unit;
        }
    }
    return nullptr;
}

Result<std::uint64_t> parse(const Quantity& quantity, std::string_view text)
{
    const std::string noun(quantity.noun);
    if (text.starts_with('-')) {
        return refuse(quantity, text, "is negative; a " + noun + " cannot be");
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::invalid_argument) {
        return refuse(quantity, text, "is not a " + noun);
    }
    const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    const Unit* unit = find_unit(quantity, rest);
    if (unit == nullptr) {
        return refuse(quantity, text, rest.empty() ? "lacks a unit" : "is not a " + noun);
    }
    if (error == std::errc::result_out_of_range || number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
        return refuse(quantity, text, "is too large a " + noun);
    }
    return number * unit->factor;
}

std::string format(const Quantity& quantity, std::uint64_t value)
{
    const Unit* best = &quantity.units.front();
    for (const Unit& unit : quantity.units) {
        if (value % unit.factor == 0 && value != 0) {
            best = &unit;
        }
    }
    return std::to_string(value / best->factor) + std::string(best->name);
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text)
{
    return parse(kSize, text);
}

Result<Nanoseconds> parse_duration(std::string_view text)
{
    return parse(kDuration, text);
}

std::string format_size(std::uint64_t bytes)
{
    return format(kSize, bytes);
}

std::string format_duration(Nanoseconds duration)
{
    return format(kDuration, duration);
}

}  // namespace pinwarden
