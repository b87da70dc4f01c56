#include "publish/pin_service.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "publish/convert.h"
#include "publish/own_pins.h"
#include "publish/pin_groups.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

// How long to wait for a place; less where the caller waits less.
constexpr std::chrono::seconds kPatience{5};

// Counts as taken until it ends.
class Place {
public:
    Place(std::counting_semaphore<>& places, std::chrono::system_clock::time_point until)
        : places_(places), taken_(places.try_acquire_until(until))
    {
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place()
    {
        if (taken_) {
            places_.release();
        }
    }

    [[nodiscard]] bool taken() const { return taken_; }

private:
    std::counting_semaphore<>& places_;
    bool taken_;
};

}  // namespace

// `make` answers with the response, or an error. It gets where pins come from, as long as the caller waits for them.
template <typename Response, typename List>
grpc::Status PinService::list(const grpc::ServerContextBase& context, Response& response, List make,
                              const Subject& subject)
{
    const Place place(places_, std::min(context.deadline(), std::chrono::system_clock::now() + kPatience));
    if (!place.taken()) {
        return to_status({"too many others are asking for pins; try again", EUSERS});
    }
    const PinSource source = [&](const PinFilter& filter, PinId from) -> Result<PinBatch> {
        if (context.IsCancelled()) {
            return fail("nobody waits for the pins any more", ECANCELED);
        }
        return pipeline_.pins(filter, from);
    };
    Result<Response> made = make(source);
    if (!made) {
        return to_status(made.error(), subject);
    }
    response = std::move(*made);
    return grpc::Status::OK;
}

grpc::Status PinService::ListPins(const grpc::ServerContextBase& context, const v1::ListPinsRequest& request,
                                  v1::ListPinsResponse& response)
{
    return list(context, response, [&](const PinSource& source) {
        return list_pins(request, source, [this](const auto& kinds) { return pipeline_.may_hold(kinds); });
    });
}

grpc::Status PinService::GetPin(const grpc::ServerContextBase& context, const v1::GetPinRequest& request,
                                v1::GetPinResponse& response)
{
    return list(context, response,
                [&](const PinSource& source) {
                    return get_pin(request, source, [this](const auto& kinds) { return pipeline_.may_hold(kinds); });
                },
                {.type = "pin", .name = std::to_string(request.id())});
}

grpc::Status PinService::GroupPins(const grpc::ServerContextBase& context, const v1::GroupPinsRequest& request,
                                   v1::GroupPinsResponse& response)
{
    return list(context, response, [&](const PinSource& source) { return group_pins(request, source); });
}

grpc::Status PinService::ListFailures(const grpc::ServerContextBase& /*context*/,
                                      const v1::ListFailuresRequest& request, v1::ListFailuresResponse& response)
{
    return answer_with(pipeline_.failures(), response,
                       [&request](const FailureList& list) { return failures_to_proto(list, request); });
}

grpc::Status PinService::ListNotifiers(const grpc::ServerContextBase& /*context*/,
                                       const v1::ListNotifiersRequest& /*request*/, v1::ListNotifiersResponse& response)
{
    return answer_with(pipeline_.notifiers(), response, notifiers_to_proto);
}

grpc::Status PinService::AcknowledgeRevocation(const grpc::ServerContextBase& context,
                                               const v1::AcknowledgeRevocationRequest& request,
                                               v1::AcknowledgeRevocationResponse& /*response*/)
{
    if (request.id() == 0) {
        return refuse_field("id", "must be given, as the event of the revocation has it");
    }
    const auto intent = intent_from_request(request);
    if (!intent) {
        return to_status(intent.error());
    }
    const auto asking = peers_.of(context);
    if (!asking || asking->pid == 0) {
        return unknown_process("");
    }
    const auto taken = pipeline_.acknowledge(request.id(), *intent, *asking);
    if (taken) {
        return grpc::Status::OK;
    }
    const Subject subject{.type = "revocation", .name = std::to_string(request.id())};
    if (taken.error().code != EPERM) {
        return to_status(taken.error(), subject);
    }
    return refuse({.code = grpc::StatusCode::PERMISSION_DENIED,
                   .reason = reason::kNotAnOwner,
                   .message = taken.error().message,
                   .metadata = {{"revocation", subject.name}}});
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* PinService::WatchEvents(grpc::CallbackServerContext* context,
                                                                           const v1::WatchEventsRequest* request)
{
    const auto asking = peers_.named(context->peer());
    return streams_.open(*request, asking ? asking->pid : 0);
}

}  // namespace pinwarden
