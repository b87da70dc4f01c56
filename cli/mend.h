// What `pinctl doctor --repair` does first.
#pragma once

#include <expected>
#include <string>

namespace pinwarden::cli {

// Has `pinwardend --repair` say what it does on standard output, or on standard error. Error: why it could not.
std::expected<void, std::string> mend(bool to_standard_error);

}  // namespace pinwarden::cli
