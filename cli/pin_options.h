// The options that say which pins, and the commands that list them.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/arguments.h"

namespace pinwarden::cli {

// `filter` must outlive the parsing.
void add_pin_filter(CLI::App& command, v1::PinFilter& filter);

// Which pins are added up, by what, and how that is shown. `chosen` must outlive the parsing.
void add_grouping(CLI::App& command, LeaksCommand& chosen);

// pins, leaks and top. They set `command`, which must outlive the parsing.
void add_pin_commands(CLI::App& app, std::optional<Command>& command);

}  // namespace pinwarden::cli
