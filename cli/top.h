// `pinctl top`: the whole screen, again and again.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "cli/arguments.h"

namespace pinwarden::cli {

// Until somebody presses q, or is not there any more. Errors: there is no terminal; the daemon does not answer.
std::expected<void, std::string> show_top(const TopCommand& command, const std::shared_ptr<grpc::Channel>& channel);

}  // namespace pinwarden::cli
