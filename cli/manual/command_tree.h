// A program's command line as it describes itself, for what is generated from it: manual pages and shell completion.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace pinwarden::cli {

struct OptionWords {
    std::vector<std::string> names;  // "-p", "--pid"; none: it is known by its place
    std::string value;               // what it takes, as help shows it: "PID", "pid|comm|driver"; empty: nothing
    std::string description;
    std::string standard;  // what it is when it is not given; empty: there is no such thing to tell
    bool required = false;
    bool again = false;  // may be given more than once
    bool file = false;   // it takes a path of this machine

    // The words it takes, where these are few.
    [[nodiscard]] std::vector<std::string> choices() const;
};

struct CommandWords {
    std::string name;  // "pinctl", "apply"
    std::string description;
    std::vector<OptionWords> options = {};
    std::vector<OptionWords> arguments = {};
    std::vector<CommandWords> commands = {};
};

// Without what help does not show.
CommandWords describe(const CLI::App& app);

}  // namespace pinwarden::cli
