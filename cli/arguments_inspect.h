// The parts of the command line that look into something: conflicts, doctor, explain, support.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/arguments.h"

namespace pinwarden::cli {

// Each adds a subcommand to `app` that fills `command` in when it is given. Both must outlive parsing.
void add_conflicts(CLI::App& app, std::optional<Command>& command);
void add_doctor(CLI::App& app, std::optional<Command>& command);
void add_explain(CLI::App& app, std::optional<Command>& command);
void add_support(CLI::App& app, std::optional<Command>& command);

}  // namespace pinwarden::cli
