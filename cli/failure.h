// What a failed call says for programs.
#pragma once

#include <grpcpp/support/status.h>
#include <pinwarden/v1/pinctl.pb.h>

#include <string>

namespace pinwarden::cli {

// `message`: for people, as message_for() has it.
v1::CallFailure failure_of(const grpc::Status& status, const std::string& message);

}  // namespace pinwarden::cli
