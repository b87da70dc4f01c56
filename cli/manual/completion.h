// Scripts that complete a program's command line in a shell.
#pragma once

#include <string>

#include "cli/manual/command_tree.h"

namespace pinwarden::cli {

enum class Shell { kBash, kZsh, kFish };

// To be read by that shell. What the program knows by itself (commands, options, words that an option takes) is
// completed, and paths where a path is wanted; nothing is asked of the daemon.
std::string completion(const CommandWords& program, Shell shell);

}  // namespace pinwarden::cli
