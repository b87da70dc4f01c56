// The daemon's errors as gRPC's: a code and a message for people, and for programs a google.rpc.Status in the trailer
// grpc-status-details-bin.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pinwarden {

// What clients' code may hang on: docs/api.md lists them. They stay as they are.
namespace reason {
inline constexpr std::string_view kInvalidRequest = "INVALID_REQUEST";
inline constexpr std::string_view kNotFound = "NOT_FOUND";  // with a subject: POLICY_NOT_FOUND
inline constexpr std::string_view kTimedOut = "PIPELINE_TIMED_OUT";
inline constexpr std::string_view kStopping = "STOPPING";
inline constexpr std::string_view kCancelled = "CANCELLED";
inline constexpr std::string_view kTooMany = "TOO_MANY";
inline constexpr std::string_view kGenerationChanged = "GENERATION_CHANGED";
inline constexpr std::string_view kInternal = "INTERNAL";
inline constexpr std::string_view kOperatorsOnly = "OPERATORS_ONLY";
inline constexpr std::string_view kNoRole = "NO_ROLE";
inline constexpr std::string_view kConnectionGone = "CONNECTION_GONE";
inline constexpr std::string_view kNotAnOwner = "NOT_AN_OWNER";
inline constexpr std::string_view kUnknownProcess = "UNKNOWN_PROCESS";
inline constexpr std::string_view kNotServed = "NOT_SERVED";
inline constexpr std::string_view kNoMemoryMap = "NO_MEMORY_MAP";
inline constexpr std::string_view kOnlyRecorded = "ONLY_RECORDED";
}  // namespace reason

// What a call is about.
struct Subject {
    std::string type = {};  // policy, pin, hold, revocation, file; empty: nothing of the kind
    std::string name = {};  // the name or number it was asked for by
};

struct Refusal {
    grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
    std::string_view reason;
    std::string message;
    std::string field = {};  // of the request that is at fault, or empty
    Subject subject = {};
    std::map<std::string, std::string> metadata = {};  // values that belong to the reason
};

// With ErrorInfo; for INVALID_ARGUMENT with a field BadRequest; for NOT_FOUND with a subject ResourceInfo; for
// FAILED_PRECONDITION and ABORTED PreconditionFailure. What is long is cut short, because a client refuses trailers of
// more than 8 KiB as a whole.
grpc::Status refuse(const Refusal& refusal);
// INVALID_ARGUMENT: "FIELD: WHAT".
grpc::Status refuse_field(const std::string& field, const std::string& what);

// By the error's code; see Pipeline.
grpc::Status to_status(const Error& error, const Subject& subject = {});

// OK with the answer made of the result, or why there is none.
template <typename T, typename Response, typename Convert>
grpc::Status answer_with(const Result<T>& result, Response& response, Convert convert)
{
    if (!result) {
        return to_status(result.error());
    }
    response = convert(*result);
    return grpc::Status::OK;
}

}  // namespace pinwarden
