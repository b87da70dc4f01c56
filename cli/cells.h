// What tables show of files and processes.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <string>

#include "cli/table.h"

namespace pinwarden::cli {

// file_name(), whose " (deleted)" stays.
Cell file_cell(const v1::File& file);
// process_name(), whose pid stays, and what follows it.
Cell process_cell(const v1::Process& process, const std::string& after = {});
// The name of a process without its pid, and what has become of it.
Cell owner_cell(const v1::Process& owner);

}  // namespace pinwarden::cli
