#include "publish/audit_service.h"

#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <string>

#include "publish/convert.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

// Whoever does not read any more is seen to be gone by its call being cancelled.
template <typename Response>
auto progress_to(grpc::ServerWriter<Response>& writer)
{
    return [&writer](const AuditProgress& progress) {
        Response response;
        *response.mutable_progress() = progress_to_proto(progress);
        writer.Write(response);
    };
}

}  // namespace

grpc::Status AuditService::run(const grpc::ServerContext& context, const AuditOptions& options,
                               const Progress& progress, const Found& found)
{
    const bool too_many = runs_.fetch_add(1) >= kMostRuns;
    const Result<AuditView> view =
        too_many
            ? fail("all " + std::to_string(kMostRuns) +
                       " audits and censuses that can be waited for at a time are; try again later",
                   EUSERS)
            : pipeline_.audit(options, {.progress = progress, .wanted = [&context] { return !context.IsCancelled(); }});
    runs_.fetch_sub(1);
    if (!view) {
        return to_status(view.error());
    }
    found(*view);
    return grpc::Status::OK;
}

grpc::Status AuditService::audit(const grpc::ServerContext& context, const v1::RunAuditRequest& request,
                                 const Progress& progress, const Found& found)
{
    if (grpc::Status allowed = access_.only_operators(context); !allowed.ok()) {
        return allowed;
    }
    return run(context, {.whole_memory = !request.ledger_only(), .repair = request.repair()}, progress, found);
}

grpc::Status AuditService::census(const grpc::ServerContext& context, const v1::RunCensusRequest& request,
                                  const Progress& progress, const Found& found)
{
    if (grpc::Status allowed = access_.only_operators(context); !allowed.ok()) {
        return allowed;
    }
    bool walked = true;
    grpc::Status status =
        run(context, {.whole_memory = true, .repair = !request.look_only()}, progress, [&](const AuditView& view) {
            walked = view.report.whole_memory;
            if (walked) {
                found(view);
            }
        });
    if (status.ok() && !walked) {
        return refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                       .reason = reason::kNoMemoryMap,
                       .message = "this kernel does not tell where its memory map lies (no vmemmap_base among its "
                                  "symbols), so memory cannot be walked",
                       .subject = {.type = "kernel"}});
    }
    return status;
}

grpc::Status AuditService::RunAudit(grpc::ServerContext* context, const v1::RunAuditRequest* request,
                                    v1::RunAuditResponse* response)
{
    return audit(*context, *request, {}, [&](const AuditView& view) { *response = audit_to_proto(view); });
}

grpc::Status AuditService::RunCensus(grpc::ServerContext* context, const v1::RunCensusRequest* request,
                                     v1::RunCensusResponse* response)
{
    return census(*context, *request, {}, [&](const AuditView& view) { *response = census_to_proto(view); });
}

grpc::Status AuditService::StreamAudit(grpc::ServerContext* context, const v1::StreamAuditRequest* request,
                                       grpc::ServerWriter<v1::StreamAuditResponse>* writer)
{
    return audit(*context, request->audit(), progress_to(*writer), [&](const AuditView& view) {
        v1::StreamAuditResponse response;
        *response.mutable_result() = audit_to_proto(view);
        writer->Write(response);
    });
}

grpc::Status AuditService::StreamCensus(grpc::ServerContext* context, const v1::StreamCensusRequest* request,
                                        grpc::ServerWriter<v1::StreamCensusResponse>* writer)
{
    return census(*context, request->census(), progress_to(*writer), [&](const AuditView& view) {
        v1::StreamCensusResponse response;
        *response.mutable_result() = census_to_proto(view);
        writer->Write(response);
    });
}

}  // namespace pinwarden
