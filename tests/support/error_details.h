// What a refusal tells programs, read on the client's side.
#pragma once

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/support/error_details.h>

#include <stdexcept>

namespace pinwarden::test {

inline google::rpc::Status details_of(const grpc::Status& status)
{
    google::rpc::Status details;
    if (!grpc::ExtractErrorDetails(status, &details).ok()) {
        throw std::runtime_error("the details are no google.rpc.Status");
    }
    return details;
}

// The detail of that type; an empty one where there is none.
template <typename Detail>
Detail detail_of(const grpc::Status& status)
{
    Detail found;
    const google::rpc::Status details = details_of(status);
    for (const auto& detail : details.details()) {
        if (detail.Is<Detail>()) {
            detail.UnpackTo(&found);
        }
    }
    return found;
}

}  // namespace pinwarden::test
