// The daemon's errors as gRPC's.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace pinwarden {

grpc::Status to_status(const Error& error);

}  // namespace pinwarden
