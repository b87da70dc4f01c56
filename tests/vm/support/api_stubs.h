// The connection behind Api, for tests that call what it has no method for.
#pragma once

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <memory>

#include "support/api.h"

namespace pinwarden::test {

struct ApiStubs {
    explicit ApiStubs(const std::shared_ptr<grpc::Channel>& channel)
        : status(v1::StatusService::NewStub(channel)),
          pins(v1::PinService::NewStub(channel)),
          policies(v1::PolicyService::NewStub(channel)),
          holds(v1::HoldService::NewStub(channel)),
          audits(v1::AuditService::NewStub(channel)),
          audit_log(v1::AuditLogService::NewStub(channel))
    {
    }

    std::unique_ptr<v1::StatusService::Stub> status;
    std::unique_ptr<v1::PinService::Stub> pins;
    std::unique_ptr<v1::PolicyService::Stub> policies;
    std::unique_ptr<v1::HoldService::Stub> holds;
    std::unique_ptr<v1::AuditService::Stub> audits;
    std::unique_ptr<v1::AuditLogService::Stub> audit_log;
};

}  // namespace pinwarden::test
