// Files that people write: found and read whole, and never by accident something else.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace pinwarden {

// More is no text that somebody wrote.
inline constexpr std::size_t kMaxTextBytes = 1U << 20U;

// The file's text, of which at most one byte more than kMaxTextBytes: enough to see that it is too long. `what` it is
// meant to be is for messages: "policy". Error code ENOENT, EACCES, ... when it cannot be read, EINVAL when it is no
// regular file.
Result<std::string> read_text_file(const std::string& path, const std::string& what);

// Every *.yaml in the folder, in the order of their names; hidden files are skipped. A *.yml is refused, so that it is
// not overlooked.
Result<std::vector<std::string>> list_yaml_files(const std::string& folder, const std::string& what);
// The same of a folder; of everything else, also of what is not there, the path itself.
Result<std::vector<std::string>> list_files_at(const std::string& path, const std::string& what);

}  // namespace pinwarden
