// PinService of the API.
#pragma once

#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <semaphore>

#include "publish/event_stream.h"
#include "publish/peer.h"
#include "publish/pin_list.h"
#include "publish/snapshot.h"
#include "publish/status.h"

namespace pinwarden {

class PinService final : public v1::PinService::WithCallbackMethod_WatchEvents<v1::PinService::Service> {
public:
    // All must outlive it.
    PinService(Pipeline& pipeline, EventStreams& streams, const Peers& peers)
        : pipeline_(pipeline), streams_(streams), peers_(peers)
    {
    }

    grpc::Status ListPins(grpc::ServerContext* context, const v1::ListPinsRequest* request,
                          v1::ListPinsResponse* response) override;
    grpc::Status GetPin(grpc::ServerContext* context, const v1::GetPinRequest* request,
                        v1::GetPinResponse* response) override;
    grpc::Status GroupPins(grpc::ServerContext* context, const v1::GroupPinsRequest* request,
                           v1::GroupPinsResponse* response) override;
    grpc::Status ListFailures(grpc::ServerContext* context, const v1::ListFailuresRequest* request,
                              v1::ListFailuresResponse* response) override;
    grpc::Status ListNotifiers(grpc::ServerContext* context, const v1::ListNotifiersRequest* request,
                               v1::ListNotifiersResponse* response) override;
    grpc::Status AcknowledgeRevocation(grpc::ServerContext* context, const v1::AcknowledgeRevocationRequest* request,
                                       v1::AcknowledgeRevocationResponse* response) override;
    using WithCallbackMethod_WatchEvents::WatchEvents;
    grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(grpc::CallbackServerContext* context,
                                                                   const v1::WatchEventsRequest* request) override;

private:
    template <typename Response, typename List>
    grpc::Status list(const grpc::ServerContext& context, Response& response, List make, const Subject& subject = {});

    Pipeline& pipeline_;
    EventStreams& streams_;
    const Peers& peers_;
    // Each takes memory by how many pins there are, and the pipeline's time.
    std::counting_semaphore<> places_{2};
};

}  // namespace pinwarden
