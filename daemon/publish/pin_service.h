// PinService of the API.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <semaphore>

#include "publish/event_stream.h"
#include "publish/peer.h"
#include "publish/pin_list.h"
#include "publish/snapshot.h"
#include "publish/status.h"
#include "publish/unary_calls.h"

namespace pinwarden {

class PinService final : public v1::PinService::CallbackService {
public:
    // All must outlive it.
    PinService(UnaryCalls& calls, Pipeline& pipeline, EventStreams& streams, const Peers& peers)
        : calls_(calls), pipeline_(pipeline), streams_(streams), peers_(peers)
    {
    }

    grpc::ServerUnaryReactor* ListPins(grpc::CallbackServerContext* context, const v1::ListPinsRequest* request,
                                       v1::ListPinsResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PinService::ListPins);
    }
    grpc::ServerUnaryReactor* GetPin(grpc::CallbackServerContext* context, const v1::GetPinRequest* request,
                                     v1::GetPinResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PinService::GetPin);
    }
    grpc::ServerUnaryReactor* GroupPins(grpc::CallbackServerContext* context, const v1::GroupPinsRequest* request,
                                        v1::GroupPinsResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PinService::GroupPins);
    }
    grpc::ServerUnaryReactor* ListFailures(grpc::CallbackServerContext* context, const v1::ListFailuresRequest* request,
                                           v1::ListFailuresResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PinService::ListFailures);
    }
    grpc::ServerUnaryReactor* ListNotifiers(grpc::CallbackServerContext* context,
                                            const v1::ListNotifiersRequest* request,
                                            v1::ListNotifiersResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PinService::ListNotifiers);
    }
    grpc::ServerUnaryReactor* AcknowledgeRevocation(grpc::CallbackServerContext* context,
                                                    const v1::AcknowledgeRevocationRequest* request,
                                                    v1::AcknowledgeRevocationResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &PinService::AcknowledgeRevocation);
    }
    grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(grpc::CallbackServerContext* context,
                                                                   const v1::WatchEventsRequest* request) override;

private:
    grpc::Status ListPins(const grpc::ServerContextBase& context, const v1::ListPinsRequest& request,
                          v1::ListPinsResponse& response);
    grpc::Status GetPin(const grpc::ServerContextBase& context, const v1::GetPinRequest& request,
                        v1::GetPinResponse& response);
    grpc::Status GroupPins(const grpc::ServerContextBase& context, const v1::GroupPinsRequest& request,
                           v1::GroupPinsResponse& response);
    grpc::Status ListFailures(const grpc::ServerContextBase& context, const v1::ListFailuresRequest& request,
                              v1::ListFailuresResponse& response);
    grpc::Status ListNotifiers(const grpc::ServerContextBase& context, const v1::ListNotifiersRequest& request,
                               v1::ListNotifiersResponse& response);
    grpc::Status AcknowledgeRevocation(const grpc::ServerContextBase& context,
                                       const v1::AcknowledgeRevocationRequest& request,
                                       v1::AcknowledgeRevocationResponse& response);

    template <typename Response, typename List>
    grpc::Status list(const grpc::ServerContextBase& context, Response& response, List make,
                      const Subject& subject = {});

    UnaryCalls& calls_;
    Pipeline& pipeline_;
    EventStreams& streams_;
    const Peers& peers_;
    // Each takes memory by how many pins there are, and the pipeline's time.
    std::counting_semaphore<> places_{2};
};

}  // namespace pinwarden
