#include "publish/status.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <cctype>
#include <cerrno>
#include <utility>

#include "publish/convert.h"

namespace pinwarden {
namespace {

constexpr const char* kDomain = "pinwarden";
// In bytes. All of it must fit into 8 KiB, in which a letter of the message may take three times its bytes, and one of
// the details a third more.
constexpr std::size_t kMostMessage = 1536;
constexpr std::size_t kMostDescription = 384;
constexpr std::size_t kMostName = 256;

std::string cut(std::string_view text, std::size_t most)
{
    std::string valid = valid_utf8(text);
    if (valid.size() <= most) {
        return valid;
    }
    constexpr std::string_view kMore = "...";
    std::size_t end = most - kMore.size();
    // Not within a letter.
    while (end > 0 && (static_cast<unsigned char>(valid[end]) & 0xC0U) == 0x80U) {
        --end;
    }
    return valid.substr(0, end).append(kMore);
}

// Without the field in front, which is told beside it.
std::string description(const Refusal& refusal)
{
    const std::string front = refusal.field + ": ";
    const bool has_front = !refusal.field.empty() && refusal.message.starts_with(front);
    return cut(std::string_view(refusal.message).substr(has_front ? front.size() : 0), kMostDescription);
}

void add_details(const Refusal& refusal, google::rpc::Status& status)
{
    google::rpc::ErrorInfo info;
    info.set_reason(std::string(refusal.reason));
    info.set_domain(kDomain);
    for (const auto& [key, value] : refusal.metadata) {
        (*info.mutable_metadata())[key] = cut(value, kMostName);
    }
    status.add_details()->PackFrom(info);
    if (refusal.code == grpc::StatusCode::INVALID_ARGUMENT && !refusal.field.empty()) {
        google::rpc::BadRequest request;
        google::rpc::BadRequest::FieldViolation& violation = *request.add_field_violations();
        violation.set_field(cut(refusal.field, kMostName));
        violation.set_description(description(refusal));
        status.add_details()->PackFrom(request);
    }
    if (refusal.code == grpc::StatusCode::NOT_FOUND && !refusal.subject.type.empty()) {
        google::rpc::ResourceInfo resource;
        resource.set_resource_type(refusal.subject.type);
        resource.set_resource_name(cut(refusal.subject.name, kMostName));
        resource.set_description(description(refusal));
        status.add_details()->PackFrom(resource);
    }
    if (refusal.code == grpc::StatusCode::FAILED_PRECONDITION || refusal.code == grpc::StatusCode::ABORTED) {
        google::rpc::PreconditionFailure failure;
        google::rpc::PreconditionFailure::Violation& violation = *failure.add_violations();
        violation.set_type(std::string(refusal.reason));
        violation.set_subject(cut(refusal.field.empty() ? refusal.subject.type : refusal.field, kMostName));
        violation.set_description(description(refusal));
        status.add_details()->PackFrom(failure);
    }
}

// "policy" → "POLICY_NOT_FOUND".
std::string not_found(const std::string& type)
{
    std::string text;
    for (const char letter : type) {
        text += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    }
    return text + (text.empty() ? "" : "_") + std::string(reason::kNotFound);
}

std::pair<grpc::StatusCode, std::string_view> meaning_of(int code)
{
    switch (code) {
        case EINVAL: return {grpc::StatusCode::INVALID_ARGUMENT, reason::kInvalidRequest};
        case ENOENT: return {grpc::StatusCode::NOT_FOUND, reason::kNotFound};
        case ETIMEDOUT: return {grpc::StatusCode::DEADLINE_EXCEEDED, reason::kTimedOut};
        case ESHUTDOWN: return {grpc::StatusCode::UNAVAILABLE, reason::kStopping};
        case ECANCELED: return {grpc::StatusCode::CANCELLED, reason::kCancelled};
        case EUSERS: return {grpc::StatusCode::RESOURCE_EXHAUSTED, reason::kTooMany};
        default: return {grpc::StatusCode::INTERNAL, reason::kInternal};
    }
}

}  // namespace

grpc::Status refuse(const Refusal& refusal)
{
    google::rpc::Status details;
    details.set_code(refusal.code);
    details.set_message(cut(refusal.message, kMostDescription));
    add_details(refusal, details);
    return {refusal.code, cut(refusal.message, kMostMessage), details.SerializeAsString()};
}

grpc::Status refuse_field(const std::string& field, const std::string& what)
{
    return refuse({.code = grpc::StatusCode::INVALID_ARGUMENT,
                   .reason = reason::kInvalidRequest,
                   .message = field + ": " + what,
                   .field = field});
}

grpc::Status to_status(const Error& error, const Subject& subject)
{
    const auto [code, why] = meaning_of(error.code);
    const std::string missing = not_found(subject.type);
    return refuse({.code = code,
                   .reason = code == grpc::StatusCode::NOT_FOUND ? std::string_view(missing) : why,
                   .message = error.message,
                   .field = error.field,
                   .subject = subject});
}

}  // namespace pinwarden
