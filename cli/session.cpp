#include "cli/session.h"

#include <chrono>
#include <utility>

#include "cli/connection.h"
#include "cli/failure.h"
#include "cli/fit.h"

namespace pinwarden::cli {
namespace {

constexpr std::chrono::seconds kDeadline{10};

}  // namespace

Session::Session(const Arguments& chosen, std::shared_ptr<grpc::Channel> way, const Streams& to, const Style& look)
    : arguments(chosen),
      streams(to),
      style(look),
      channel(std::move(way)),
      status(v1::StatusService::NewStub(channel)),
      pins(v1::PinService::NewStub(channel)),
      policies(v1::PolicyService::NewStub(channel)),
      holds(v1::HoldService::NewStub(channel)),
      audits(v1::AuditService::NewStub(channel)),
      audit_log(v1::AuditLogService::NewStub(channel)),
      conflicts(v1::ConflictService::NewStub(channel)),
      config(v1::ConfigService::NewStub(channel))
{
}

std::unique_ptr<grpc::ClientContext> Session::with_deadline()
{
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    return context;
}

std::string Session::fit(const std::string& text) const
{
    constexpr std::size_t kHang = 4;
    return wrapped(text, style.columns, kHang);
}

void Session::measure()
{
    if (style.columns != 0 && streams.columns) {
        style.columns = streams.columns();
    }
}

int Session::failed(const std::string& why) const
{
    streams.err << "pinctl: " << why << "\n";
    return kFailed;
}

int Session::failed(const grpc::Status& got) const
{
    if (!arguments.json) {
        return failed(message(got));
    }
    streams.err << to_json(failure_of(got, message(got)), true);
    return kFailed;
}

std::string Session::message(const grpc::Status& got) const
{
    return message_for(got, arguments);
}

}  // namespace pinwarden::cli
