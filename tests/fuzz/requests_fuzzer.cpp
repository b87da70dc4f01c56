// Any bytes as a request: the first one says of which method, the others are read as gRPC would, and what is understood
// is given to the method of the service, with a pipeline behind it that has a little of everything. Refused with a
// reason that fits into a trailer, or answered with what can be read. Streams only as far as they are about the
// request.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/rpc/status.pb.h>
#include <pinwarden/v1/config.grpc.pb.h>
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <pinwarden/v1/recording.grpc.pb.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/message_mutator.h"
#include "fuzz/readable.h"
#include "fuzz/require.h"
#include "publish/access.h"
#include "publish/audit_log_service.h"
#include "publish/audit_service.h"
#include "publish/config_service.h"
#include "publish/conflict_service.h"
#include "publish/convert.h"
#include "publish/event_stream.h"
#include "publish/hold_service.h"
#include "publish/own_pins.h"
#include "publish/pin_service.h"
#include "publish/policy_service.h"
#include "publish/recording_service.h"
#include "publish/status_service.h"
#include "support/publish_fixtures.h"

namespace pinwarden::fuzz {
namespace {

namespace pb = google::protobuf;

// Everybody is an operator.
class NoDoor final : public Access {
public:
    [[nodiscard]] grpc::Status only_operators(const grpc::ServerContextBase& /*context*/) const override
    {
        return grpc::Status::OK;
    }

private:
    [[nodiscard]] std::optional<Requester> requester_of(const grpc::ServerContextBase& /*context*/) const override
    {
        return Requester{.uid = 1000, .pid = 77};
    }
};

std::vector<Notice> some_notices()
{
    return {test::pinned_notice(1),
            test::conflict_notice(PW_VERDICT_DENY, "keep"),
            test::invalidation_notice(),
            test::hold_ended_notice("released"),
            test::signal_notice(ActOutcome::kSent),
            test::revocation_notice(RevocationEnd::kReleased, {test::released_victim(812)})};
}

struct Services {
    Services()
    {
        pipeline.pinned = {test::file_pin(1, 0, 256), test::file_pin(2, 256, 16), test::file_pin(900, 0, 1)};
        pipeline.answer = test::snapshot_with(pipeline.pinned);
        pipeline.failed = {.failures = {test::failed_pin(EFAULT), test::failed_pin(ENOMEM)}, .total = 2};
        pipeline.listeners = test::two_notifiers();
        for (const pw_verdict verdict : {PW_VERDICT_ALLOW, PW_VERDICT_DENY, PW_VERDICT_HOLD}) {
            auto met = std::get<ConflictNotice>(test::conflict_notice(verdict, "keep").what).conflict;
            PastConflict past{.time = 20 * test::kSecond};
            remember_owners(met.conflict.pins, past);
            past.what = std::move(met);
            history.add(std::move(past));
        }
    }

    // As it was before anybody asked for anything.
    void reset()
    {
        pipeline.applied.clear();
        pipeline.answer.policy_generation = 1;
        pipeline.held = test::holds_with({test::held_truncate(7)});
    }

    NoDoor access;
    Peers peers;
    test::FakePipeline pipeline;
    Fanout fanout{4, 16};
    ConflictHistory history;
    UnaryCalls calls;
    EventStreams streams{fanout, 4};
    grpc::CallbackServerContext context;
    grpc::ServerContext blocking;
    StatusService status{calls, pipeline};
    PinService pins{calls, pipeline, streams, peers};
    PolicyService policies{calls, pipeline, access};
    HoldService holds{calls, pipeline, access};
    AuditService audits{pipeline, access};
    AuditLogService audit_log{nullptr, access};
    ConflictService conflicts{calls, &history};
    ConfigService config{calls, nullptr};
    RecordingService recordings{nullptr, pipeline, access};
};

void require_told(const grpc::Status& status)
{
    // What clients take of trailers; a letter of the message may take three times its bytes, the details a third more.
    constexpr std::size_t kMostTrailers = 8192;
    require(!status.error_message().empty(), "a refusal has a reason");
    google::rpc::Status details;
    require(details.ParseFromString(status.error_details()), "a refusal has details");
    require(details.code() == status.error_code() && details.details_size() > 0, "which tell the same");
    require(status.error_message().size() * 3 + status.error_details().size() * 4 / 3 < kMostTrailers,
            "a refusal fits into trailers");
}

// What the request's policies are stays the same on the way out and in again.
void check_applied(const std::vector<Policy>& applied)
{
    if (applied.empty()) {
        return;
    }
    v1::ApplyPolicyRequest request;
    for (const Policy& policy : applied) {
        *request.add_policies() = policy_to_proto(policy);
    }
    require_readable(request);
    const auto again = policies_from_request(request);
    require(again.has_value(), "a policy that is shown is understood");
    for (std::size_t i = 0; i < applied.size(); ++i) {
        require(policy_to_proto((*again)[i]).SerializeAsString() ==
                    request.policies(static_cast<int>(i)).SerializeAsString(),
                "and is the same");
    }
}

struct Method {
    std::string name;
    const pb::Descriptor* request = nullptr;
    std::function<void(Services& services, const std::string& bytes)> call;
};

template <typename Request, typename Response>
Method method(std::string name, grpc::Status (*handle)(Services& services, const Request& request, Response& response))
{
    return {std::move(name), Request::descriptor(), [handle](Services& services, const std::string& bytes) {
                Request request;
                if (!request.ParseFromString(bytes)) {
                    return;
                }
                services.reset();
                Response response;
                const grpc::Status status = handle(services, request, response);
                if (status.ok()) {
                    require_readable(response);
                    check_applied(services.pipeline.applied);
                } else {
                    require_told(status);
                }
            }};
}

// A method that answers once, of a service that gives it to threads of its own: what these call.
#define PINWARDEN_ANSWERS(service, name)                                                                               \
    method<v1::name##Request, v1::name##Response>(                                                                     \
        #name, [](Services& to, const v1::name##Request& request, v1::name##Response& response) -> grpc::Status {      \
            return to.service.name(to.context, request, response);                                                     \
        })

grpc::Status watch_events(Services& /*services*/, const v1::WatchEventsRequest& request,
                          v1::WatchEventsResponse& response)
{
    static const std::vector<Notice> notices = some_notices();
    const auto filter = filter_from_request(request.filter());
    if (!filter) {
        return to_status(filter.error());
    }
    for (const Notice& notice : notices) {
        if (filter->matches(notice)) {
            response = event_to_proto(notice, event_kinds(notice).front());
        }
    }
    return grpc::Status::OK;
}

const std::vector<Method>& methods()
{
    static const std::vector<Method> all{
        PINWARDEN_ANSWERS(status, GetStatus),
        PINWARDEN_ANSWERS(pins, ListPins),
        PINWARDEN_ANSWERS(pins, GetPin),
        PINWARDEN_ANSWERS(pins, GroupPins),
        PINWARDEN_ANSWERS(pins, ListFailures),
        PINWARDEN_ANSWERS(pins, ListNotifiers),
        method<v1::WatchEventsRequest, v1::WatchEventsResponse>("WatchEvents", watch_events),
        method<v1::AcknowledgeRevocationRequest, v1::AcknowledgeRevocationResponse>(
            "AcknowledgeRevocation",
            [](Services& to, const v1::AcknowledgeRevocationRequest& request,
               v1::AcknowledgeRevocationResponse& response) -> grpc::Status {
                // It comes over no connection, so that it is refused before that.
                static_cast<void>(intent_from_request(request));
                return to.pins.AcknowledgeRevocation(to.context, request, response);
            }),
        PINWARDEN_ANSWERS(policies, ApplyPolicy),
        PINWARDEN_ANSWERS(policies, ListPolicies),
        PINWARDEN_ANSWERS(policies, DeletePolicy),
        PINWARDEN_ANSWERS(policies, SetPolicyMode),
        PINWARDEN_ANSWERS(policies, TestPolicies),
        PINWARDEN_ANSWERS(holds, ListHolds),
        PINWARDEN_ANSWERS(holds, ReleaseHold),
        method<v1::RunAuditRequest, v1::RunAuditResponse>(
            "RunAudit",
            [](Services& to, const v1::RunAuditRequest& request, v1::RunAuditResponse& response) -> grpc::Status {
                return to.audits.RunAudit(&to.blocking, &request, &response);
            }),
        method<v1::RunCensusRequest, v1::RunCensusResponse>(
            "RunCensus",
            [](Services& to, const v1::RunCensusRequest& request, v1::RunCensusResponse& response) -> grpc::Status {
                return to.audits.RunCensus(&to.blocking, &request, &response);
            }),
        // What they send is what the two above answer.
        method<v1::StreamAuditRequest, v1::RunAuditResponse>(
            "StreamAudit",
            [](Services& to, const v1::StreamAuditRequest& request, v1::RunAuditResponse& response) -> grpc::Status {
                return to.audits.RunAudit(&to.blocking, &request.audit(), &response);
            }),
        method<v1::StreamCensusRequest, v1::RunCensusResponse>(
            "StreamCensus",
            [](Services& to, const v1::StreamCensusRequest& request, v1::RunCensusResponse& response) -> grpc::Status {
                return to.audits.RunCensus(&to.blocking, &request.census(), &response);
            }),
        method<v1::WatchAuditLogRequest, v1::WatchAuditLogResponse>(
            "WatchAuditLog",
            [](Services& to, const v1::WatchAuditLogRequest& request, v1::WatchAuditLogResponse& /*response*/)
                -> grpc::Status {  // Over no call: it is refused before anything is written.
                grpc::ServerWriter<v1::WatchAuditLogResponse> writer(nullptr, &to.blocking);
                return to.audit_log.WatchAuditLog(&to.blocking, &request, &writer);
            }),
        PINWARDEN_ANSWERS(conflicts, ListConflicts),
        PINWARDEN_ANSWERS(config, GetConfig),
        method<v1::RecordRequest, v1::RecordResponse>(
            "Record",
            [](Services& to, const v1::RecordRequest& request, v1::RecordResponse& /*response*/) -> grpc::Status {
                grpc::ServerWriter<v1::RecordResponse> writer(nullptr, &to.blocking);
                return to.recordings.Record(&to.blocking, &request, &writer);
            }),
    };
    return all;
}

// So that one which is added to the API is added here.
void require_all_methods()
{
    std::set<std::string> here;
    for (const Method& one : methods()) {
        here.insert(one.name);
    }
    std::set<std::string> there;
    for (const pb::FileDescriptor* const file :
         {v1::GetStatusRequest::descriptor()->file(), v1::GetConfigRequest::descriptor()->file(),
          v1::ListConflictsRequest::descriptor()->file(), v1::RecordRequest::descriptor()->file()}) {
        for (int service = 0; service < file->service_count(); ++service) {
            for (int index = 0; index < file->service(service)->method_count(); ++index) {
                there.insert(file->service(service)->method(index)->name());
            }
        }
    }
    require(here == there, "every method of the API is called");
}

const Method& chosen(std::uint8_t byte)
{
    return methods()[byte % methods().size()];
}

}  // namespace
}  // namespace pinwarden::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed)
{
    using namespace pinwarden::fuzz;
    Random random(seed);
    if (size > 0 && random() % 8 != 0) {
        const std::unique_ptr<pb::Message> message(
            pb::MessageFactory::generated_factory()->GetPrototype(chosen(data[0]).request)->New());
        if (message->ParseFromArray(data + 1, static_cast<int>(size) - 1)) {
            mutate_message(*message, random);
            const std::string bytes = message->SerializeAsString();
            if (bytes.size() < most) {
                std::ranges::copy(bytes, data + 1);
                return bytes.size() + 1;
            }
        }
    }
    return LLVMFuzzerMutate(data, size, most);
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/)
{
    pinwarden::fuzz::require_all_methods();
    return 0;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace pinwarden::fuzz;
    if (size == 0) {
        return 0;
    }
    static Services services;
    chosen(data[0]).call(services, {reinterpret_cast<const char*>(data) + 1, size - 1});
    return 0;
}
