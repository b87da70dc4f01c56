// AuditService of the API: the ledger compared with the kernel, at once or with progress.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <atomic>
#include <cstddef>
#include <functional>

#include "publish/access.h"
#include "publish/snapshot.h"

namespace pinwarden {

class AuditService final : public v1::AuditService::Service {
public:
    // Runs that may be waited for at a time: one runs, the others keep a thread each.
    static constexpr std::size_t kMostRuns = 4;

    // Both must outlive it.
    AuditService(Pipeline& pipeline, const Access& access) : pipeline_(pipeline), access_(access) {}

    grpc::Status RunAudit(grpc::ServerContext* context, const v1::RunAuditRequest* request,
                          v1::RunAuditResponse* response) override;
    grpc::Status RunCensus(grpc::ServerContext* context, const v1::RunCensusRequest* request,
                           v1::RunCensusResponse* response) override;
    grpc::Status StreamAudit(grpc::ServerContext* context, const v1::StreamAuditRequest* request,
                             grpc::ServerWriter<v1::StreamAuditResponse>* writer) override;
    grpc::Status StreamCensus(grpc::ServerContext* context, const v1::StreamCensusRequest* request,
                              grpc::ServerWriter<v1::StreamCensusResponse>* writer) override;

private:
    using Progress = std::function<void(const AuditProgress&)>;
    using Found = std::function<void(const AuditView&)>;

    // Both run on this thread: `progress`, where there is one, while the audit runs, then `found`.
    grpc::Status run(const grpc::ServerContext& context, const AuditOptions& options, const Progress& progress,
                     const Found& found);
    grpc::Status audit(const grpc::ServerContext& context, const v1::RunAuditRequest& request, const Progress& progress,
                       const Found& found);
    grpc::Status census(const grpc::ServerContext& context, const v1::RunCensusRequest& request,
                        const Progress& progress, const Found& found);

    Pipeline& pipeline_;
    const Access& access_;
    std::atomic<std::size_t> runs_ = 0;
};

}  // namespace pinwarden
