// The way to the daemon: a socket of this machine, or TCP with certificates.
#pragma once

#include <grpcpp/grpcpp.h>

#include <expected>
#include <memory>
#include <string>

#include "cli/arguments.h"

namespace pinwarden::cli {

struct NotReached {
    int error = 0;    // positive errno; 0: there is none
    std::string why;  // a sentence, with what to do
};

// `chosen` then has the socket or address that was used. TCP is connected to with the first call only.
std::expected<std::shared_ptr<grpc::Channel>, NotReached> reach(Arguments& chosen);

// What a failed call is about, for people.
std::string message_for(const grpc::Status& status, const Arguments& arguments);

}  // namespace pinwarden::cli
