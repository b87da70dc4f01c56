#include <string>

#include "cli/audit_progress.h"
#include "cli/commands.h"
#include "cli/fit.h"
#include "cli/render.h"

namespace pinwarden::cli {
namespace {

// The last message has the answer; those before tell how far it is.
template <typename Step, typename Response>
grpc::Status take(grpc::ClientReader<Step>& steps, Response& response, Session& session)
{
    ProgressLine line(session.streams.err);
    Step step;
    while (steps.Read(&step)) {
        if (step.has_progress()) {
            // What goes on in the next line could not be written over.
            session.measure();
            const std::string text = progress_text(step.progress());
            const std::size_t columns = session.style.columns;
            line.show(columns == 0 ? text : shortened(text, columns - 1, Fit::kEnd, session.style.ellipsis));
        } else if (step.has_result()) {
            response = step.result();
        }
    }
    return steps.Finish();
}

// Whether anybody would see it.
bool shows_progress(const Session& session)
{
    return session.streams.progress && !session.arguments.json;
}

grpc::Status run(const v1::RunAuditRequest& request, Session& session, v1::RunAuditResponse& response)
{
    grpc::ClientContext patient;
    if (!shows_progress(session)) {
        return session.audits->RunAudit(&patient, request, &response);
    }
    v1::StreamAuditRequest stream;
    *stream.mutable_audit() = request;
    return take(*session.audits->StreamAudit(&patient, stream), response, session);
}

grpc::Status run(const v1::RunCensusRequest& request, Session& session, v1::RunCensusResponse& response)
{
    grpc::ClientContext patient;
    if (!shows_progress(session)) {
        return session.audits->RunCensus(&patient, request, &response);
    }
    v1::StreamCensusRequest stream;
    *stream.mutable_census() = request;
    return take(*session.audits->StreamCensus(&patient, stream), response, session);
}

}  // namespace

int perform(const AuditCommand& command, Session& session)
{
    v1::RunAuditRequest request;
    request.set_ledger_only(command.ledger_only);
    request.set_repair(command.repair);
    v1::RunAuditResponse response;
    const grpc::Status status = run(request, session, response);
    const int result = session.answer(status, response, [&] { return render_audit(response, session.style); });
    return result == 0 && !response.exact() ? kDiffers : result;
}

int perform(const CensusCommand& command, Session& session)
{
    v1::RunCensusRequest request;
    request.set_look_only(command.look_only);
    v1::RunCensusResponse response;
    const grpc::Status status = run(request, session, response);
    return session.answer(status, response, [&] { return render_census(response, session.style); });
}

}  // namespace pinwarden::cli
