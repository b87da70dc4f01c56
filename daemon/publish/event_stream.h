// WatchEvents: one bounded stream for every subscriber, fed by one thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "publish/fanout.h"

namespace grpc {
template <class Response>
class ServerWriteReactor;
}
namespace pinwarden::v1 {
class WatchEventsRequest;
class WatchEventsResponse;
}  // namespace pinwarden::v1

namespace pinwarden {

class EventStream;

// The open streams. Its thread converts and hands over events, so that neither is done on the publishing thread.
class EventStreams {
public:
    // At most so many at once: the fanout's places are for all doors together.
    EventStreams(Fanout& fanout, std::size_t most);
    // stop() must have been called and the server must have ended: no stream is left.
    ~EventStreams();
    EventStreams(const EventStreams&) = delete;
    EventStreams& operator=(const EventStreams&) = delete;

    // A new stream, or one that ends at once with the reason why there cannot be another. gRPC owns it. `asking`: pid
    // of the process that asks; 0: not known.
    grpc::ServerWriteReactor<v1::WatchEventsResponse>* open(const v1::WatchEventsRequest& request,
                                                            std::uint32_t asking);
    // Ends every stream, with UNAVAILABLE, and refuses new ones.
    void stop();

private:
    friend class EventStream;
    // Outlives this object for as long as the fanout may call it.
    struct Signal {
        std::mutex mutex;
        std::condition_variable changed;
        bool events = false;
        bool ended = false;

        void raise();
        // False when there will be no more.
        bool wait();
        void end();
    };

    void closed(const std::shared_ptr<EventStream>& stream);
    void feed();
    std::set<std::shared_ptr<EventStream>> streams();

    Fanout& fanout_;
    const std::size_t most_;
    const std::shared_ptr<Signal> signal_;
    std::mutex mutex_;
    std::set<std::shared_ptr<EventStream>> streams_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace pinwarden
