// A manual page of a program, from its command line.
#pragma once

#include <string>
#include <vector>

#include "cli/manual/command_tree.h"

namespace pinwarden::cli {

struct ManualSection {
    std::string title;
    std::string text;  // paragraphs, parted by empty lines
};

struct ManualFacts {
    int section = 1;
    std::string version;
    std::string summary;                  // after the name, in one line
    std::vector<ManualSection> sections;  // after the options
    std::vector<std::string> see_also;    // "pinctl(1)"
};

// In the man macros of troff.
std::string manual_page(const CommandWords& program, const ManualFacts& facts);

}  // namespace pinwarden::cli
