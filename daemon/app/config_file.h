// One configuration file to settings: a map of options by their keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/command_line.h"
#include "base/result.h"

namespace pinwarden {

struct ReadSettings {
    std::vector<Setting> settings = {};  // in the file's order
    std::vector<Error> errors = {};      // every one: "SOURCE:LINE:COLUMN: KEY: what is wrong, and what is allowed"
};

// `source` is the name used in messages. A text with comments only sets nothing.
ReadSettings parse_settings(std::string_view text, const std::string& source);
// Of a file; that it cannot be read is an error with code ENOENT, EACCES, ...
ReadSettings read_settings(const std::string& path);

}  // namespace pinwarden
