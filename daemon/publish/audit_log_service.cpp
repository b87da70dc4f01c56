#include "publish/audit_log_service.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "publish/convert.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

using Writer = grpc::ServerWriter<v1::WatchAuditLogResponse>;

// How soon it is seen that nobody follows any more.
constexpr std::chrono::milliseconds kLookEvery{200};

// Since the Unix epoch. What lies before it, or further ahead than such a number reaches, is the nearest that does.
Nanoseconds unix_time(const google::protobuf::Timestamp& time)
{
    constexpr std::int64_t kSecond = 1'000'000'000;
    constexpr std::int64_t kFurthest = std::numeric_limits<std::int64_t>::max() / kSecond - 1;
    const auto seconds = std::clamp<std::int64_t>(time.seconds(), 0, kFurthest);
    return static_cast<Nanoseconds>(seconds * kSecond + std::clamp<std::int64_t>(time.nanos(), 0, kSecond - 1));
}

AuditLineFacts facts_of(const v1::AuditRecord& record)
{
    AuditLineFacts facts{.time = unix_time(record.time()), .policies = {record.policy()}};
    for (const v1::AuditPolicyChange& change : record.policies()) {
        facts.policies.push_back(change.name());
    }
    return facts;
}

std::optional<AuditLineFacts> look(const std::string& line)
{
    const auto record = audit_record_from_line(line);
    return record ? std::optional(facts_of(*record)) : std::nullopt;
}

AuditWish wish_from_request(const v1::WatchAuditLogRequest& request)
{
    return {.last = request.last(),
            .since = request.has_since() ? unix_time(request.since()) : 0,
            .policy = request.policy()};
}

// Whether whoever asked still listens.
bool send_history(const std::vector<AuditFile::Part>& parts, const AuditWish& wish, Writer& writer)
{
    bool listens = true;
    v1::WatchAuditLogResponse response;
    const std::uint64_t skipped = read_audit_lines(parts, wish, look, [&](const AuditLine& line) {
        *response.mutable_record() = audit_record_from_line(line.text).value_or(v1::AuditRecord());
        response.set_skipped_before(line.skipped_before);
        listens = writer.Write(response);
        return listens;
    });
    if (listens && skipped > 0) {
        response.Clear();
        response.set_skipped_before(skipped);
        listens = writer.Write(response);
    }
    return listens;
}

grpc::Status follow(const grpc::ServerContext& context, AuditTail::Queue& queue, const AuditWish& wish, Writer& writer)
{
    std::uint64_t lost = 0;
    while (!context.IsCancelled()) {
        const bool last = queue.closed();
        const auto popped = queue.pop(kLookEvery);
        if (!popped) {
            if (last) {
                return to_status({"pinwardend is stopping", ESHUTDOWN});
            }
            continue;
        }
        lost += popped->dropped_before;
        auto record = audit_record_from_line(*popped->item);
        if (!record || !wish.wants(facts_of(*record))) {
            continue;
        }
        v1::WatchAuditLogResponse response;
        *response.mutable_record() = std::move(*record);
        response.set_lost_before(std::exchange(lost, 0));
        if (!writer.Write(response)) {
            break;
        }
    }
    return grpc::Status::CANCELLED;
}

}  // namespace

void AuditLogService::stop()
{
    if (source_ != nullptr) {
        source_->tail.close();
    }
}

grpc::Status AuditLogService::WatchAuditLog(grpc::ServerContext* context, const v1::WatchAuditLogRequest* request,
                                            Writer* writer)
{
    if (grpc::Status allowed = access_.only_operators(*context); !allowed.ok()) {
        return allowed;
    }
    const std::size_t others = calls_.fetch_add(1);
    const grpc::Status status =
        others < kMaxAuditReaders
            ? watch(*context, *request, *writer)
            : to_status({"all " + std::to_string(kMaxAuditReaders) + " " + kTooManyAuditReaders, EUSERS});
    calls_.fetch_sub(1);
    return status;
}

grpc::Status AuditLogService::watch(grpc::ServerContext& context, const v1::WatchAuditLogRequest& request,
                                    Writer& writer)
{
    if (source_ == nullptr) {
        return refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                       .reason = reason::kNotServed,
                       .message = "this pinwardend writes no audit log",
                       .subject = {.type = "audit log"}});
    }
    const AuditWish wish = wish_from_request(request);
    std::shared_ptr<AuditTail::Queue> queue;
    const auto parts = source_->file.parts([&]() -> Result<void> {
        if (!request.follow()) {
            return {};
        }
        auto subscribed = source_->tail.subscribe();
        if (!subscribed) {
            return std::unexpected(subscribed.error());
        }
        queue = std::move(*subscribed);
        return {};
    });
    if (!parts) {
        const int code = parts.error().code;
        return code == EUSERS || code == ESHUTDOWN ? to_status(parts.error())
                                                   : refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                                                             .reason = reason::kNotServed,
                                                             .message = parts.error().message,
                                                             .subject = {.type = "audit log"}});
    }
    writer.SendInitialMetadata();
    if (!send_history(*parts, wish, writer)) {
        return grpc::Status::CANCELLED;
    }
    return queue ? follow(context, *queue, {.policy = wish.policy}, writer) : grpc::Status::OK;
}

}  // namespace pinwarden
