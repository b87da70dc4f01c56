#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/files.h"
#include "cli/fit.h"
#include "cli/mend.h"
#include "cli/render.h"
#include "cli/render_config.h"
#include "cli/render_conflicts.h"
#include "cli/support.h"

namespace pinwarden::cli {
namespace {

using google::protobuf::util::TimeUtil;

// True as well when that was not asked for.
bool mended(const DoctorCommand& command, bool json, const Streams& streams)
{
    const auto done = command.repair ? mend(json) : std::expected<void, std::string>();
    if (!done) {
        streams.err << "pinctl: " << done.error() << "\n";
    }
    return done.has_value();
}

// Status 1 when something is bad.
int tell(const DoctorFacts& facts, bool json, const Streams& streams, const Style& style)
{
    const v1::Diagnosis diagnosis = diagnose(facts);
    streams.out << (json ? to_json(diagnosis, true) : render_diagnosis(diagnosis, style)) << std::flush;
    return diagnosis.worst() == v1::SEVERITY_BAD ? kFailed : 0;
}

// "pinwarden-support-20261127-081500.tar.gz"
std::string archive_name(std::time_t now)
{
    std::tm local{};
    static_cast<void>(localtime_r(&now, &local));
    std::array<char, 64> name{};
    const std::size_t length =
        std::strftime(name.data(), name.size(), "pinwarden-support-%Y%m%d-%H%M%S.tar.gz", &local);
    return {name.data(), length};
}

// `channel` may be nullptr.
int write_support(const SupportCommand& command, const std::shared_ptr<grpc::Channel>& channel,
                  const DoctorFacts& machine, bool json, const Streams& streams)
{
    SupportFacts facts;
    facts.diagnosis = diagnose(machine);
    ask_for_support(command, channel, facts);
    v1::SupportArchive archive;
    archive.set_path(command.output.empty() ? archive_name(std::time(nullptr)) : command.output);
    archive.mutable_left_out()->Assign(facts.left_out.begin(), facts.left_out.end());
    const std::vector<SupportFile> files = support_files(std::move(facts));
    if (const auto written = write_archive(archive.path(), files); !written) {
        streams.err << "pinctl: " << written.error() << "\n";
        return kFailed;
    }
    std::string text = "Wrote " + visible(archive.path()) + ":";
    for (const SupportFile& file : files) {
        archive.add_files(file.name);
        text += " " + file.name;
    }
    text += "\n";
    for (const std::string& reason : archive.left_out()) {
        text += "Left out: " + visible(reason) + "\n";
    }
    text +=
        "Names of files, processes, cgroups and containers are replaced, and addresses left out; README.txt says "
        "more.\n";
    streams.out << (json ? to_json(archive, true) : text) << std::flush;
    return 0;
}

// Everything the doctor has to know.
DoctorFacts examine(Session& session)
{
    DoctorFacts facts = read_machine();
    v1::GetStatusResponse response;
    const grpc::Status status = session.status->GetStatus(Session::with_deadline().get(), {}, &response);
    if (status.ok()) {
        facts.daemon = read_rights(std::to_string(response.pid()));
        if (facts.daemon && facts.daemon->comm != "pinwardend") {
            facts.daemon.reset();  // its number is one of another pid namespace
        }
        facts.status = std::move(response);
    } else {
        facts.not_answered = session.message(status);
    }
    return facts;
}

// As JSON the lines as they are; what is missing among them is told beside them.
void print(const v1::WatchAuditLogResponse& response, const Session& session)
{
    if (!session.arguments.json) {
        session.streams.out << render_audit_record(response, session.style) << std::flush;
        return;
    }
    if (response.has_record()) {
        session.streams.out << response.record().json() << "\n" << std::flush;
    }
    v1::WatchAuditLogResponse missing = response;
    missing.clear_record();
    session.streams.err << render_audit_record(missing, Style{});
}

}  // namespace

int perform(const StatusCommand& /*command*/, Session& session)
{
    v1::GetStatusResponse response;
    const grpc::Status status = session.status->GetStatus(Session::with_deadline().get(), {}, &response);
    return session.answer(status, response, [&] {
        return render_status(response, session.moment.value_or(std::time(nullptr)), session.style);
    });
}

int perform(const ConflictsCommand& command, Session& session)
{
    v1::ListConflictsRequest request;
    request.set_limit(command.last);
    request.mutable_verdicts()->Assign(command.verdicts.begin(), command.verdicts.end());
    request.set_path_prefix(absolute_name(command.file));
    request.set_pid(command.pid);
    request.set_policy(command.policy);
    v1::ListConflictsResponse response;
    const grpc::Status status = session.conflicts->ListConflicts(Session::with_deadline().get(), request, &response);
    return session.answer(status, response, [&] { return render_conflicts(response, session.style); });
}

int perform(const DoctorCommand& command, Session& session)
{
    if (!mended(command, session.arguments.json, session.streams)) {
        return kFailed;
    }
    return tell(examine(session), session.arguments.json, session.streams, session.style);
}

int perform(const SupportCommand& command, Session& session)
{
    return write_support(command, session.channel, examine(session), session.arguments.json, session.streams);
}

int perform(const ExplainCommand& command, Session& session)
{
    const Teller teller = session.arguments.recording.empty() ? Teller::kDaemon : Teller::kRecording;
    v1::Explanation explanation;
    if (teller == Teller::kDaemon) {
        explanation = find_subject(command.subject);
    } else if (auto found = find_recorded_subject(command.subject, session.channel)) {
        explanation = std::move(*found);
    } else {
        return session.failed(found.error());
    }
    if (const auto asked = ask_about(explanation, session.channel, teller); !asked) {
        return session.failed(asked.error());
    }
    put_into_sentences(explanation, session.moment.value_or(std::time(nullptr)), teller);
    // So that it is seen where the next one begins.
    constexpr std::size_t kHang = 2;
    std::string text;
    for (const std::string& sentence : explanation.sentences()) {
        text += wrapped(sentence, session.style.columns, kHang) + "\n";
    }
    const int result = session.answer(grpc::Status::OK, explanation, [&] { return text; });
    return result == 0 && !is_known(explanation) ? kFailed : result;
}

int perform(const ConfigShowCommand& /*command*/, Session& session)
{
    v1::GetConfigResponse response;
    const grpc::Status status = session.config->GetConfig(Session::with_deadline().get(), {}, &response);
    return session.answer(status, response, [&] { return render_config(response, std::time(nullptr), session.style); });
}

int perform(const AuditLogCommand& command, Session& session)
{
    v1::WatchAuditLogRequest request;
    request.set_follow(command.follow);
    request.set_last(command.last);
    request.set_policy(command.policy);
    if (command.since) {
        const auto now =
            std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
        *request.mutable_since() = TimeUtil::NanosecondsToTimestamp(
            std::max<std::int64_t>(now.count() - static_cast<std::int64_t>(*command.since), 0));
    }
    grpc::ClientContext context;
    const auto reader = session.audit_log->WatchAuditLog(&context, request);
    v1::WatchAuditLogResponse response;
    while (reader->Read(&response)) {
        session.measure();
        print(response, session);
        // Nobody reads any more: that is a normal end.
        if (!session.streams.out) {
            context.TryCancel();
            return 0;
        }
    }
    const grpc::Status status = reader->Finish();
    return status.ok() ? 0 : session.failed(status);
}

int perform(const DoctorCommand& command, const DoctorFacts& machine, const Arguments& arguments,
            const Streams& streams, const Style& style)
{
    if (!mended(command, arguments.json, streams)) {
        return kFailed;
    }
    return tell(machine, arguments.json, streams, style);
}

int perform(const SupportCommand& command, const DoctorFacts& machine, const Arguments& arguments,
            const Streams& streams)
{
    return write_support(command, nullptr, machine, arguments.json, streams);
}

}  // namespace pinwarden::cli
