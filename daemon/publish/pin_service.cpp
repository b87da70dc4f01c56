#include "publish/pin_service.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "publish/convert.h"
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
grpc::Status PinService::list(const grpc::ServerContext& context, Response& response, List make)
{
    const Place place(places_, std::min(context.deadline(), std::chrono::system_clock::now() + kPatience));
    if (!place.taken()) {
        return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many others are asking for pins; try again"};
    }
    const PinSource source = [&](const PinFilter& filter, PinId from) -> Result<PinBatch> {
        if (context.IsCancelled()) {
            return fail("nobody waits for the pins any more", ECANCELED);
        }
        return pipeline_.pins(filter, from);
    };
    Result<Response> made = make(source);
    if (!made) {
        return to_status(made.error());
    }
    response = std::move(*made);
    return grpc::Status::OK;
}

grpc::Status PinService::ListPins(grpc::ServerContext* context, const v1::ListPinsRequest* request,
                                  v1::ListPinsResponse* response)
{
    return list(*context, *response, [&](const PinSource& source) {
        return list_pins(*request, source, [this](const auto& kinds) { return pipeline_.may_hold(kinds); });
    });
}

grpc::Status PinService::GetPin(grpc::ServerContext* context, const v1::GetPinRequest* request,
                                v1::GetPinResponse* response)
{
    return list(*context, *response, [&](const PinSource& source) {
        return get_pin(*request, source, [this](const auto& kinds) { return pipeline_.may_hold(kinds); });
    });
}

grpc::Status PinService::GroupPins(grpc::ServerContext* context, const v1::GroupPinsRequest* request,
                                   v1::GroupPinsResponse* response)
{
    return list(*context, *response, [&](const PinSource& source) { return group_pins(*request, source); });
}

grpc::Status PinService::ListFailures(grpc::ServerContext* /*context*/, const v1::ListFailuresRequest* request,
                                      v1::ListFailuresResponse* response)
{
    const Result<FailureList> list = pipeline_.failures();
    if (!list) {
        return to_status(list.error());
    }
    *response = failures_to_proto(*list, *request);
    return grpc::Status::OK;
}

grpc::Status PinService::ListNotifiers(grpc::ServerContext* /*context*/, const v1::ListNotifiersRequest* /*request*/,
                                       v1::ListNotifiersResponse* response)
{
    const Result<NotifiersView> view = pipeline_.notifiers();
    if (!view) {
        return to_status(view.error());
    }
    *response = notifiers_to_proto(*view);
    return grpc::Status::OK;
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* PinService::WatchEvents(grpc::CallbackServerContext* context,
                                                                           const v1::WatchEventsRequest* request)
{
    const auto asking = peers_.named(context->peer());
    return streams_.open(*request, asking ? asking->pid : 0);
}

}  // namespace pinwarden
