// What the terminal that pinctl prints to can show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pinwarden::cli {

// Columns of the terminal that `file` is, 0 where it is none. `environment` is the value of COLUMNS, or empty: what it
// says comes before what the terminal says of itself. 80 where neither says anything, as on a serial line.
std::size_t terminal_columns(int file, const std::string& environment);

// What stands for what is left out, by the character set that the environment (LC_ALL, LC_CTYPE, LANG) names.
std::string_view ellipsis_of_locale();

}  // namespace pinwarden::cli
