#include "cli/client.h"

#include <fcntl.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/config.grpc.pb.h>
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "cli/doctor.h"
#include "cli/explain.h"
#include "cli/pin_list.h"
#include "cli/render.h"
#include "cli/render_config.h"
#include "cli/render_conflicts.h"
#include "cli/support.h"
#include "cli/top.h"

namespace pinwarden::cli {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kFailed = 1;
constexpr int kDiffers = 3;
constexpr std::chrono::seconds kDeadline{10};

template <typename T>
using Expected = std::expected<T, std::string>;

std::string reason_for(int error)
{
    switch (error) {
        case ENOENT:
            return "no such socket. Is it running? Start it with `./dev run` or `systemctl start pinwardend`, "
                   "or give --socket.";
        case ECONNREFUSED:
            return "nobody listens there. Did it die? Start it with `./dev run` or `systemctl start "
                   "pinwardend`, or give --socket.";
        case EACCES:
            return "permission denied. Members of the group pinwarden may look, those of pinwarden-admin may do "
                   "everything, where these groups exist; or try with sudo.";
        default: return std::generic_category().message(error) + ".";
    }
}

struct NotReached {
    int error = 0;  // positive errno
    std::string why;
};

// Connecting ourselves, because gRPC's own attempt ends in a message that says little, after retries.
std::expected<int, NotReached> connect_to(const std::string& path)
{
    const std::string cannot = "cannot reach pinwardend at " + visible(path) + ": ";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return std::unexpected(NotReached{
            EINVAL, cannot + "the path must have 1 to " + std::to_string(sizeof(address.sun_path) - 1) + " bytes."});
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // NOLINT: how the socket API is made
    if (fd < 0 || ::connect(fd, generic, sizeof(address)) != 0 || ::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        const int error = errno;
        if (fd >= 0) {
            ::close(fd);
        }
        return std::unexpected(NotReached{error, cannot + reason_for(error)});
    }
    return fd;
}

// Over TCP, where gRPC's own words are all there is.
std::string tls_failure(const std::string& message, const TlsArguments& tls)
{
    return "cannot talk to pinwardend at " + visible(tls.address) + ": " + message +
           ". Somebody must serve there; its certificate must have the host's name and be by an authority in " +
           visible(tls.ca) + ", and yours must be valid and by one in pinwardend's --tls-client-ca.";
}

std::string message_for(const grpc::Status& status, const std::string& socket, const TlsArguments& tls)
{
    std::string message = visible(status.error_message());
    switch (status.error_code()) {
        case grpc::StatusCode::DEADLINE_EXCEEDED:
            return "pinwardend at " + visible(socket) + " did not answer in time; see its log for what keeps it busy";
        case grpc::StatusCode::UNAVAILABLE:
            if (!tls.address.empty()) {
                return tls_failure(message, tls);
            }
            return "pinwardend at " + visible(socket) + " went away: " + message;
        case grpc::StatusCode::UNIMPLEMENTED:
            return "pinwardend at " + visible(socket) + " does not know this call; is it older than this pinctl?";
        case grpc::StatusCode::INVALID_ARGUMENT:
        case grpc::StatusCode::PERMISSION_DENIED:
        case grpc::StatusCode::FAILED_PRECONDITION:
        case grpc::StatusCode::NOT_FOUND:
        case grpc::StatusCode::RESOURCE_EXHAUSTED: return message;
        default:
            // gRPC has no words for a message that could not be parsed.
            return "pinwardend at " + visible(socket) + " failed: " +
                   (message.empty() ? "it did not understand the request; is something in it not UTF-8?" : message);
    }
}

v1::EventKind to_proto(Kind kind)
{
    switch (kind) {
        case Kind::kPin: return v1::EVENT_KIND_PIN;
        case Kind::kRelease: return v1::EVENT_KIND_RELEASE;
        case Kind::kConflict: return v1::EVENT_KIND_CONFLICT;
        case Kind::kVerdict: return v1::EVENT_KIND_VERDICT;
        case Kind::kFailure: return v1::EVENT_KIND_FAILURE;
        case Kind::kOrphan: return v1::EVENT_KIND_ORPHAN;
        case Kind::kLeak: return v1::EVENT_KIND_LEAK;
        case Kind::kHold: return v1::EVENT_KIND_HOLD_END;
        case Kind::kSignal: return v1::EVENT_KIND_SIGNAL;
        case Kind::kRevocation: return v1::EVENT_KIND_REVOCATION;
    }
    return v1::EVENT_KIND_UNSPECIFIED;
}

v1::Mode to_proto(PolicyMode mode)
{
    switch (mode) {
        case PolicyMode::kMonitor: return v1::MODE_MONITOR;
        case PolicyMode::kEnforce: return v1::MODE_ENFORCE;
        case PolicyMode::kOff: return v1::MODE_OFF;
    }
    return v1::MODE_UNSPECIFIED;
}

Expected<std::string> read_file(const std::string& file, std::istream& standard_input)
{
    if (file == "-") {
        return std::string(std::istreambuf_iterator<char>(standard_input), {});
    }
    std::ifstream stream(file, std::ios::binary);
    // Reading is what fails for a folder, not opening.
    if (stream && stream.peek() != std::ifstream::traits_type::eof()) {
        return std::string(std::istreambuf_iterator<char>(stream), {});
    }
    const int error = errno;
    if (stream.is_open() && !stream.bad()) {
        return std::string{};
    }
    return std::unexpected("cannot read " + visible(file) + ": " + std::generic_category().message(error));
}

// As the daemon, whose folder is another one, has to be told it. A memory file has no folder.
std::string absolute_name(const std::string& file)
{
    std::error_code error;
    return file.empty() || file.starts_with("memfd:")
               ? file
               : std::filesystem::absolute(file, error).lexically_normal().string();
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

class Client {
public:
    Client(const Arguments& arguments, const std::shared_ptr<grpc::Channel>& channel, const Streams& streams,
           const Style& style)
        : arguments_(arguments),
          channel_(channel),
          streams_(streams),
          style_(style),
          status_(v1::StatusService::NewStub(channel)),
          pins_(v1::PinService::NewStub(channel)),
          policies_(v1::PolicyService::NewStub(channel)),
          holds_(v1::HoldService::NewStub(channel)),
          audits_(v1::AuditService::NewStub(channel)),
          audit_log_(v1::AuditLogService::NewStub(channel)),
          conflicts_(v1::ConflictService::NewStub(channel)),
          config_(v1::ConfigService::NewStub(channel))
    {
    }

    int operator()(const StatusCommand& /*command*/)
    {
        v1::GetStatusResponse response;
        const grpc::Status status = status_->GetStatus(with_deadline().get(), {}, &response);
        return answer(status, response, [&] { return render_status(response, std::time(nullptr), style_); });
    }

    int operator()(const PinsCommand& command)
    {
        if (!command.again) {
            return show_pins(command);
        }
        return repeat(*command.again, 0, [&] { return show_pins(command); });
    }

    int operator()(const TopCommand& command)
    {
        const auto shown = show_top(command, channel_);
        return shown ? 0 : failed(shown.error());
    }

    int operator()(const LeaksCommand& command)
    {
        std::optional<v1::GroupPinsResponse> before;
        const auto show = [&] {
            v1::GroupPinsResponse groups;
            const grpc::Status status = pins_->GroupPins(with_deadline().get(), group_request(command), &groups);
            const int result = answer(status, groups, [&] {
                return command.folded ? render_folded(groups)
                                      : render_groups(groups, command.by, before ? &*before : nullptr, style_);
            });
            before = std::move(groups);
            return result;
        };
        return command.again ? repeat(*command.again, command.count, show) : show();
    }

    int operator()(const FailuresCommand& command)
    {
        v1::ListFailuresRequest request;
        request.set_include_stack(command.stack);
        v1::ListFailuresResponse response;
        const grpc::Status status = pins_->ListFailures(with_deadline().get(), request, &response);
        return answer(status, response, [&] { return render_failures(response, style_); });
    }

    int operator()(const NotifiersCommand& /*command*/)
    {
        v1::ListNotifiersResponse response;
        const grpc::Status status = pins_->ListNotifiers(with_deadline().get(), {}, &response);
        return answer(status, response, [&] { return render_notifiers(response, style_); });
    }

    int operator()(const WatchCommand& command)
    {
        v1::WatchEventsRequest request;
        for (const Kind kind : command.kinds) {
            request.add_kinds(to_proto(kind));
        }
        if (command.filter.ByteSizeLong() > 0) {
            *request.mutable_filter() = command.filter;
        }
        grpc::ClientContext context;
        const auto reader = pins_->WatchEvents(&context, request);
        v1::WatchEventsResponse event;
        std::uint64_t seen = 0;
        bool enough = false;
        while (!enough && reader->Read(&event)) {
            streams_.out << (arguments_.json ? to_json(event, false) + "\n" : render_event(event, style_))
                         << std::flush;
            ++seen;
            // Nobody reads any more (`pinctl watch | head`): that is a normal end.
            enough = (command.count != 0 && seen >= command.count) || !streams_.out;
        }
        if (enough) {
            context.TryCancel();
            return 0;
        }
        const grpc::Status status = reader->Finish();
        return status.ok() ? 0 : failed(message_for(status, arguments_.socket, arguments_.tls));
    }

    int operator()(const ConflictsCommand& command)
    {
        v1::ListConflictsRequest request;
        request.set_limit(command.last);
        request.mutable_verdicts()->Assign(command.verdicts.begin(), command.verdicts.end());
        request.set_path_prefix(absolute_name(command.file));
        request.set_pid(command.pid);
        request.set_policy(command.policy);
        v1::ListConflictsResponse response;
        const grpc::Status status = conflicts_->ListConflicts(with_deadline().get(), request, &response);
        return answer(status, response, [&] { return render_conflicts(response, style_); });
    }

    int operator()(const DoctorCommand& /*command*/) { return tell(examine(), arguments_.json, streams_, style_); }

    int operator()(const SupportCommand& command)
    {
        return write_support(command, channel_, examine(), arguments_.json, streams_);
    }

    int operator()(const ExplainCommand& command)
    {
        v1::Explanation explanation = find_subject(command.subject);
        if (const auto asked = ask_about(explanation, channel_); !asked) {
            return failed(message_for(asked.error(), arguments_.socket, arguments_.tls));
        }
        put_into_sentences(explanation, std::time(nullptr));
        std::string text;
        for (const std::string& sentence : explanation.sentences()) {
            text += sentence + "\n";
        }
        const int result = answer(grpc::Status::OK, explanation, [&] { return text; });
        return result == 0 && !is_known(explanation) ? kFailed : result;
    }

    int operator()(const HoldsCommand& /*command*/)
    {
        v1::ListHoldsResponse response;
        const grpc::Status status = holds_->ListHolds(with_deadline().get(), {}, &response);
        return answer(status, response, [&] { return render_holds(response, style_); });
    }

    int operator()(const HoldReleaseCommand& command)
    {
        v1::ReleaseHoldRequest request;
        request.set_id(command.id);
        request.set_outcome(command.allow ? v1::OUTCOME_ALLOW : v1::OUTCOME_DENY);
        v1::ReleaseHoldResponse response;
        const grpc::Status status = holds_->ReleaseHold(with_deadline().get(), request, &response);
        return answer(status, response, [&] {
            return "hold " + std::to_string(command.id) + " released: " + (command.allow ? "allow" : "deny") + "\n";
        });
    }

    int operator()(const AuditCommand& command)
    {
        v1::RunAuditRequest request;
        request.set_ledger_only(command.ledger_only);
        request.set_repair(command.repair);
        v1::RunAuditResponse response;
        grpc::ClientContext patient;
        const grpc::Status status = audits_->RunAudit(&patient, request, &response);
        const int result = answer(status, response, [&] { return render_audit(response, style_); });
        return result == 0 && !response.exact() ? kDiffers : result;
    }

    int operator()(const CensusCommand& command)
    {
        v1::RunCensusRequest request;
        request.set_look_only(command.look_only);
        v1::RunCensusResponse response;
        grpc::ClientContext patient;
        const grpc::Status status = audits_->RunCensus(&patient, request, &response);
        return answer(status, response, [&] { return render_census(response, style_); });
    }

    int operator()(const PolicyApplyCommand& command)
    {
        v1::ApplyPolicyRequest request;
        request.set_validate_only(command.validate_only);
        if (const auto added = add_texts(command.files, *request.mutable_texts()); !added) {
            return failed(added.error());
        }
        v1::ApplyPolicyResponse response;
        const grpc::Status status = policies_->ApplyPolicy(with_deadline().get(), request, &response);
        return answer(status, response, [&] { return applied_text(response, command.validate_only); });
    }

    int operator()(const PolicyListCommand& /*command*/)
    {
        v1::ListPoliciesResponse response;
        const grpc::Status status = policies_->ListPolicies(with_deadline().get(), {}, &response);
        return answer(status, response, [&] { return render_policies(response, style_); });
    }

    int operator()(const PolicyDeleteCommand& command)
    {
        v1::DeletePolicyRequest request;
        request.set_name(command.name);
        v1::DeletePolicyResponse response;
        const grpc::Status status = policies_->DeletePolicy(with_deadline().get(), request, &response);
        return answer(status, response, [&] {
            return "Deleted " + visible(command.name) + "; generation " + std::to_string(response.generation()) +
                   " is in force.\n";
        });
    }

    int operator()(const AuditLogCommand& command)
    {
        v1::WatchAuditLogRequest request;
        request.set_follow(command.follow);
        request.set_last(command.last);
        request.set_policy(command.policy);
        if (command.since) {
            const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                std::chrono::system_clock::now().time_since_epoch());
            *request.mutable_since() = TimeUtil::NanosecondsToTimestamp(
                std::max<std::int64_t>(now.count() - static_cast<std::int64_t>(*command.since), 0));
        }
        grpc::ClientContext context;
        const auto reader = audit_log_->WatchAuditLog(&context, request);
        v1::WatchAuditLogResponse response;
        while (reader->Read(&response)) {
            print(response);
            // Nobody reads any more: that is a normal end.
            if (!streams_.out) {
                context.TryCancel();
                return 0;
            }
        }
        const grpc::Status status = reader->Finish();
        return status.ok() ? 0 : failed(message_for(status, arguments_.socket, arguments_.tls));
    }

    int operator()(const ConfigShowCommand& /*command*/)
    {
        v1::GetConfigResponse response;
        const grpc::Status status = config_->GetConfig(with_deadline().get(), {}, &response);
        return answer(status, response, [&] { return render_config(response, std::time(nullptr), style_); });
    }

    int operator()(const PolicyModeCommand& command)
    {
        v1::SetPolicyModeRequest request;
        request.set_name(command.name);
        request.set_mode(to_proto(command.mode));
        v1::SetPolicyModeResponse response;
        const grpc::Status status = policies_->SetPolicyMode(with_deadline().get(), request, &response);
        return answer(status, response, [&] {
            return "Mode of " + visible(command.name) + " set; generation " + std::to_string(response.generation()) +
                   " is in force.\n";
        });
    }

    int operator()(const PolicyTestCommand& command)
    {
        v1::TestPoliciesRequest request;
        std::error_code error;
        if (!command.file.empty()) {
            // The daemon's folder is another one.
            request.set_path(std::filesystem::absolute(command.file, error).string());
        }
        request.set_inode(command.inode);
        request.set_device_major(command.device_major);
        request.set_device_minor(command.device_minor);
        request.set_operation(command.operation);
        if (command.uid) {
            request.mutable_caller()->set_uid(*command.uid);
        }
        request.mutable_caller()->set_comm(command.comm);
        if (const auto added = add_texts(command.policies, *request.mutable_texts()); !added) {
            return failed(added.error());
        }
        v1::TestPoliciesResponse response;
        const grpc::Status status = policies_->TestPolicies(with_deadline().get(), request, &response);
        return answer(status, response, [&] { return render_dry_run(response, style_); });
    }

private:
    // Everything the doctor has to know.
    DoctorFacts examine()
    {
        DoctorFacts facts = read_machine();
        v1::GetStatusResponse response;
        const grpc::Status status = status_->GetStatus(with_deadline().get(), {}, &response);
        if (status.ok()) {
            facts.daemon = read_rights(std::to_string(response.pid()));
            if (facts.daemon && facts.daemon->comm != "pinwardend") {
                facts.daemon.reset();  // its number is one of another pid namespace
            }
            facts.status = std::move(response);
        } else {
            facts.not_answered = message_for(status, arguments_.socket, arguments_.tls);
        }
        return facts;
    }

    Expected<void> add_texts(const std::vector<std::string>& files,
                             google::protobuf::RepeatedPtrField<v1::PolicyText>& texts)
    {
        for (const std::string& file : files) {
            Expected<std::string> text = read_file(file, streams_.in);
            if (!text) {
                return std::unexpected(text.error());
            }
            v1::PolicyText& added = *texts.Add();
            added.set_source(file == "-" ? "standard input" : file);
            added.set_yaml(std::move(*text));
        }
        return {};
    }

    // As JSON the lines as they are; what is missing among them is told beside them.
    void print(const v1::WatchAuditLogResponse& response)
    {
        if (!arguments_.json) {
            streams_.out << render_audit_record(response, style_) << std::flush;
            return;
        }
        if (response.has_record()) {
            streams_.out << response.record().json() << "\n" << std::flush;
        }
        v1::WatchAuditLogResponse missing = response;
        missing.clear_record();
        streams_.err << render_audit_record(missing, Style{});
    }

    static std::unique_ptr<grpc::ClientContext> with_deadline()
    {
        auto context = std::make_unique<grpc::ClientContext>();
        context->set_deadline(std::chrono::system_clock::now() + kDeadline);
        return context;
    }

    int show_pins(const PinsCommand& command)
    {
        if (command.id != 0) {
            return show_pin(command);
        }
        if (command.by) {
            v1::GroupPinsResponse groups;
            const grpc::Status status = pins_->GroupPins(with_deadline().get(), group_request(command), &groups);
            return answer(status, groups, [&] { return render_groups(groups, *command.by, nullptr, style_); });
        }
        const bool orphans = command.filter.orphans() || command.filter.leaks();
        // Who may hold orphans takes long to find out.
        const auto context = [&] { return orphans ? std::make_unique<grpc::ClientContext>() : with_deadline(); };
        v1::ListPinsResponse pins;
        const grpc::Status status = list_pins(*pins_, command, orphans, context, pins);
        return answer(status, pins, [&] { return orphans ? render_orphans(pins, style_) : render_pins(pins, style_); });
    }

    int show_pin(const PinsCommand& command)
    {
        v1::GetPinRequest request;
        request.set_id(command.id);
        request.set_include_holders(true);
        v1::GetPinResponse response;
        grpc::ClientContext patient;
        const grpc::Status status = pins_->GetPin(&patient, request, &response);
        return answer(status, response, [&] {
            v1::ListPinsResponse one;
            *one.add_pins() = response.pin();
            *one.mutable_trust() = response.trust();
            one.set_holders_complete(response.holders_complete());
            return response.pin().has_orphaned_since() ? render_orphans(one, style_) : render_pins(one, style_);
        });
    }

    // Until interrupted, or `count` times; ends with what fails. On a terminal each time on an empty screen.
    template <typename Show>
    int repeat(std::uint64_t nanoseconds, std::uint64_t count, Show show)
    {
        timespec next{};
        clock_gettime(CLOCK_MONOTONIC, &next);
        for (std::uint64_t shown = 0;;) {
            if (!arguments_.json) {
                const timespec now = wall_clock();
                streams_.out << (style_.terminal ? "\x1b[H\x1b[2J"
                                 : shown > 0     ? "\n"
                                                 : "")
                             << clock_time(now.tv_sec, static_cast<std::int32_t>(now.tv_nsec)) << "\n";
            }
            const int result = show();
            ++shown;
            // Nobody reads any more: that is a normal end.
            if (result != 0 || shown == count || !streams_.out) {
                return result;
            }
            constexpr std::uint64_t kSecond = 1'000'000'000;
            const std::uint64_t fraction = static_cast<std::uint64_t>(next.tv_nsec) + nanoseconds % kSecond;
            next.tv_sec += static_cast<std::time_t>(nanoseconds / kSecond + fraction / kSecond);
            next.tv_nsec = static_cast<long>(fraction % kSecond);
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
        }
    }

    static timespec wall_clock()
    {
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        return now;
    }

    static std::string applied_text(const v1::ApplyPolicyResponse& response, bool validate_only)
    {
        std::string names;
        for (const std::string& name : response.names()) {
            names += (names.empty() ? "" : ", ") + visible(name);
        }
        if (validate_only) {
            return "Valid: " + names + "; nothing was changed.\n";
        }
        return "Applied " + names + "; generation " + std::to_string(response.generation()) + " is in force.\n";
    }

    template <typename Render>
    int answer(const grpc::Status& status, const google::protobuf::Message& response, Render render)
    {
        if (!status.ok()) {
            return failed(message_for(status, arguments_.socket, arguments_.tls));
        }
        streams_.out << (arguments_.json ? to_json(response, true) : render()) << std::flush;
        return 0;
    }

    int failed(const std::string& message)
    {
        streams_.err << "pinctl: " << message << "\n";
        return kFailed;
    }

    const Arguments& arguments_;
    const std::shared_ptr<grpc::Channel> channel_;
    const Streams& streams_;
    const Style& style_;
    std::unique_ptr<v1::StatusService::Stub> status_;
    std::unique_ptr<v1::PinService::Stub> pins_;
    std::unique_ptr<v1::PolicyService::Stub> policies_;
    std::unique_ptr<v1::HoldService::Stub> holds_;
    std::unique_ptr<v1::AuditService::Stub> audits_;
    std::unique_ptr<v1::AuditLogService::Stub> audit_log_;
    std::unique_ptr<v1::ConflictService::Stub> conflicts_;
    std::unique_ptr<v1::ConfigService::Stub> config_;
};

// A machine with very many pins has a large answer.
grpc::ChannelArguments channel_arguments()
{
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    return arguments;
}

using Reached = std::expected<std::shared_ptr<grpc::Channel>, NotReached>;

// `chosen` then has the socket that was used.
Reached channel_by_socket(Arguments& chosen)
{
    auto fd = connect_to(chosen.socket);
    if (!fd && fd.error().error == EACCES && !chosen.socket_given) {
        if (const auto reading = connect_to(std::string(kDefaultReaderSocket))) {
            chosen.socket = kDefaultReaderSocket;
            fd = reading;
        }
    }
    if (!fd) {
        return std::unexpected(fd.error());
    }
    return grpc::CreateCustomInsecureChannelFromFd("pinwardend", *fd, channel_arguments());
}

Reached channel_by_tls(Arguments& chosen)
{
    chosen.socket = chosen.tls.address;
    grpc::SslCredentialsOptions options;
    std::istringstream nothing;
    for (const auto& [file, text] : {std::pair{&chosen.tls.ca, &options.pem_root_certs},
                                     std::pair{&chosen.tls.certificate, &options.pem_cert_chain},
                                     std::pair{&chosen.tls.key, &options.pem_private_key}}) {
        auto read = read_file(*file, nothing);
        if (!read) {
            return std::unexpected(NotReached{0, read.error()});
        }
        *text = std::move(*read);
    }
    return grpc::CreateCustomChannel(chosen.tls.address, grpc::SslCredentials(options), channel_arguments());
}

}  // namespace

int run(const Arguments& arguments, const Streams& streams, const Style& style)
{
    Arguments chosen = arguments;
    const auto channel = chosen.tls.address.empty() ? channel_by_socket(chosen) : channel_by_tls(chosen);
    if (!channel) {
        DoctorFacts facts = read_machine();
        facts.not_answered = channel.error().why;
        facts.forbidden = channel.error().error == EACCES;
        if (std::holds_alternative<DoctorCommand>(chosen.command)) {
            return tell(facts, chosen.json, streams, style);
        }
        if (const auto* support = std::get_if<SupportCommand>(&chosen.command)) {
            return write_support(*support, nullptr, facts, chosen.json, streams);
        }
        streams.err << "pinctl: " << channel.error().why << "\n";
        return kFailed;
    }
    Client client(chosen, *channel, streams, style);
    return std::visit(client, chosen.command);
}

}  // namespace pinwarden::cli
