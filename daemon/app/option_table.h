// Every option of the daemon, once: what it is called, what it takes, what is wrong with a value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"

namespace pinwarden {

enum class OptionKind : std::uint8_t {
    kValue,   // one text
    kSwitch,  // "true" or "false"; as a flag it needs no value
    kList,    // any number of texts; as a flag it is repeated
};

struct OptionSpec {
    std::string_view name;  // "leak-after": the flag is --leak-after, the key in a file leak_after
    OptionKind kind = OptionKind::kValue;
    std::string_view type = {};  // of a value, as --help shows it: "DURATION"
    std::string_view help = {};
    // What is wrong with a value, and what is right; empty when nothing is. May ask the system.
    std::string (*check)(const std::string& value) = nullptr;  // nullptr: nothing can be wrong
    // Of values that have passed check(): one, or any number of a list.
    void (*set)(Options& options, const std::vector<std::string>& values) = nullptr;
    // What is in force with these options, defaults that depend on others or on the system filled in; none when there
    // is nothing.
    std::vector<std::string> (*get)(const Options& options) = nullptr;
    bool at_run_time = false;                         // can be changed without a restart
    bool is_path = false;                             // in a file it must be absolute
    std::span<const std::string_view> excludes = {};  // names of options that make no sense beside this one
};

std::span<const OptionSpec> option_table();

// nullptr: there is none.
const OptionSpec* find_option_by_key(std::string_view key);
const OptionSpec* find_option(std::string_view name);

// "leak_after".
std::string key_of(const OptionSpec& option);
std::vector<std::string> option_keys();

}  // namespace pinwarden
