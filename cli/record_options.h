// The commands that make recordings, and those that only look at one.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/arguments.h"

namespace pinwarden::cli {

// record, report and diff. They set `command`, which must outlive the parsing.
void add_record_commands(CLI::App& app, std::optional<Command>& command);

}  // namespace pinwarden::cli
