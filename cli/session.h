// What carrying out a command needs: the daemon's services, and where answers go.
#pragma once

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/config.grpc.pb.h>
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/render.h"

namespace pinwarden::cli {

// Status of pinctl.
inline constexpr int kFailed = 1;
inline constexpr int kDiffers = 3;

// All that it is given must outlive it.
struct Session {
    Session(const Arguments& chosen, std::shared_ptr<grpc::Channel> way, const Streams& to, const Style& look);

    static std::unique_ptr<grpc::ClientContext> with_deadline();

    // The answer as JSON or as `render` has it, or why there is none; then the status of pinctl.
    template <typename Render>
    int answer(const grpc::Status& got, const google::protobuf::Message& response, Render render)
    {
        if (!got.ok()) {
            return failed(got);
        }
        streams.out << (arguments.json ? to_json(response, true) : fit(render())) << std::flush;
        return 0;
    }
    // Sentences within the terminal's width.
    [[nodiscard]] std::string fit(const std::string& text) const;
    // Takes the terminal's width anew, where there is one: windows are made wider and narrower.
    void measure();
    [[nodiscard]] int failed(const std::string& why) const;
    // The same of a call; as JSON a CallFailure.
    [[nodiscard]] int failed(const grpc::Status& got) const;
    [[nodiscard]] std::string message(const grpc::Status& got) const;

    const Arguments& arguments;
    const Streams& streams;
    Style style;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::StatusService::Stub> status;
    std::unique_ptr<v1::PinService::Stub> pins;
    std::unique_ptr<v1::PolicyService::Stub> policies;
    std::unique_ptr<v1::HoldService::Stub> holds;
    std::unique_ptr<v1::AuditService::Stub> audits;
    std::unique_ptr<v1::AuditLogService::Stub> audit_log;
    std::unique_ptr<v1::ConflictService::Stub> conflicts;
    std::unique_ptr<v1::ConfigService::Stub> config;
    // Of whom it is asked, in seconds since the Unix epoch; nothing: now.
    std::optional<std::int64_t> moment = {};
};

}  // namespace pinwarden::cli
