// A short name for a configuration: hosts that should be alike have the same.
#pragma once

#include <cstdint>
#include <string>

#include "publish/config_view.h"

namespace pinwarden {

// Sixteen hexadecimal digits, from the values in force: where they come from makes no difference. FNV-1a; it tells
// configurations apart and keeps nothing secret.
inline std::string config_hash(const ConfigView& view)
{
    constexpr std::uint64_t kPrime = 1099511628211U;
    std::uint64_t hash = 14695981039346656037U;
    const auto add = [&hash](const std::string& text) {
        for (const char c : text) {
            hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
        }
        hash *= kPrime;  // as if a NUL followed
    };
    for (const OptionView& option : view.options) {
        add(option.name);
        for (const std::string& value : option.in_force.values) {
            add(value);
        }
    }
    constexpr const char* kDigits = "0123456789abcdef";
    std::string text(16, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit, hash >>= 4U) {
        *digit = kDigits[hash & 15U];
    }
    return text;
}

}  // namespace pinwarden
