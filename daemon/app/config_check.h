// pinwardend --check-config: what would be in force, or everything that is wrong.
#pragma once

#include <string>
#include <vector>

#include "app/command_line.h"
#include "policy/policy_set.h"

namespace pinwarden {

struct ConfigCheck {
    std::string text;                 // what would be in force; empty when something is wrong
    std::vector<std::string> errors;  // "FILE:LINE:COLUMN: WHAT: why", where there is such a place
};

// Reads the configuration and all policies as a start does, and compiles the policies, with what paths and names stand
// for at present. Changes nothing, needs no rights and no kernel; so what only a kernel can refuse is not found.
ConfigCheck check_config(const CommandLine& line, PathResolver& resolver);

}  // namespace pinwarden
