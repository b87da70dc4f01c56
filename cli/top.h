// `pinctl top`: the whole screen, again and again.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "cli/arguments.h"
#include "cli/text.h"

namespace pinwarden::cli {

// Until somebody presses q, or is not there any more. Errors: there is no terminal; the daemon does not answer.
// Of `style` the ellipsis is used; the screen has its own width.
std::expected<void, std::string> show_top(const TopCommand& command, const std::shared_ptr<grpc::Channel>& channel,
                                          const Style& style);

// What it would show first, as text within the columns that `style` has. `now`: seconds since the Unix epoch. Error:
// the daemon does not answer.
std::expected<std::string, std::string> print_top(const TopCommand& command,
                                                  const std::shared_ptr<grpc::Channel>& channel, std::int64_t now,
                                                  const Style& style);

}  // namespace pinwarden::cli
