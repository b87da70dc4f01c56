// WatchAuditLog: what the audit log's files have, then what is written.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <atomic>
#include <cstddef>

#include "publish/access.h"
#include "publish/audit_history.h"

namespace pinwarden {

class AuditLogService final : public v1::AuditLogService::Service {
public:
    // nullptr: there is no log. What they point to must outlive this.
    AuditLogService(const AuditLogSource* source, const Access& access) : source_(source), access_(access) {}

    // Ends calls that follow, with UNAVAILABLE.
    void stop();

    grpc::Status WatchAuditLog(grpc::ServerContext* context, const v1::WatchAuditLogRequest* request,
                               grpc::ServerWriter<v1::WatchAuditLogResponse>* writer) override;

private:
    grpc::Status watch(grpc::ServerContext& context, const v1::WatchAuditLogRequest& request,
                       grpc::ServerWriter<v1::WatchAuditLogResponse>& writer);

    const AuditLogSource* source_;
    const Access& access_;
    std::atomic<std::size_t> calls_ = 0;
};

}  // namespace pinwarden
