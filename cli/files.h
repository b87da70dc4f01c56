// Files that are named on the command line.
#pragma once

#include <expected>
#include <iosfwd>
#include <string>

namespace pinwarden::cli {

// "-" is standard input. Error: which file, and why.
std::expected<std::string, std::string> read_file(const std::string& file, std::istream& standard_input);

// As the daemon, whose folder is another one, has to be told it. A memory file has no folder.
std::string absolute_name(const std::string& file);

}  // namespace pinwarden::cli
