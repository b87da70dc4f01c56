#include "cli/failure.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/support/error_details.h>

#include <array>
#include <cstddef>

namespace pinwarden::cli {
namespace {

std::string name_of(grpc::StatusCode code)
{
    constexpr std::array kNames{
        "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED"};
    const auto index = static_cast<std::size_t>(code);
    return index < kNames.size() ? kNames.at(index) : std::to_string(code);
}

}  // namespace

v1::CallFailure failure_of(const grpc::Status& status, const std::string& message)
{
    v1::CallFailure failure;
    failure.set_message(message);
    failure.set_code(name_of(status.error_code()));
    google::rpc::Status details;
    if (!grpc::ExtractErrorDetails(status, &details).ok()) {
        return failure;
    }
    for (const auto& detail : details.details()) {
        google::rpc::ErrorInfo info;
        google::rpc::BadRequest request;
        if (detail.UnpackTo(&info)) {
            failure.set_reason(info.reason());
            *failure.mutable_metadata() = info.metadata();
        } else if (detail.UnpackTo(&request) && request.field_violations_size() > 0) {
            failure.set_field(request.field_violations(0).field());
        }
    }
    return failure;
}

}  // namespace pinwarden::cli
