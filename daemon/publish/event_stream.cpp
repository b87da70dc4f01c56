#include "publish/event_stream.h"

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "publish/convert.h"
#include "publish/own_pins.h"
#include "publish/pin_list.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

using Reactor = grpc::ServerWriteReactor<v1::WatchEventsResponse>;

const grpc::Status& stopping()
{
    static const grpc::Status status = to_status({"pinwardend is stopping", ESHUTDOWN});
    return status;
}

// A call that ends before it began.
class RefusedStream final : public Reactor {
public:
    explicit RefusedStream(const grpc::Status& status) { Finish(status); }
    void OnDone() override { delete this; }
};

}  // namespace

// One subscriber's call. At most one write is in flight: what the subscriber does not take stays in its bounded queue.
class EventStream final : public Reactor, public std::enable_shared_from_this<EventStream> {
public:
    EventStream(EventStreams& streams, std::shared_ptr<Fanout::Queue> queue, const v1::WatchEventsRequest& request,
                std::optional<std::uint32_t> owner, std::optional<PinFilter> filter)
        : streams_(streams),
          queue_(std::move(queue)),
          kinds_(request.kinds().begin(), request.kinds().end()),
          owner_(owner),
          filter_(std::move(filter))
    {
        // Tells the subscriber that nothing is missed from here on.
        StartSendInitialMetadata();
    }

    void feed()
    {
        const std::scoped_lock lock(mutex_);
        advance();
    }

    void end(const grpc::Status& status)
    {
        const std::scoped_lock lock(mutex_);
        if (!ending_) {
            ending_ = status;
        }
        advance();
    }

    void OnWriteDone(bool ok) override
    {
        const std::scoped_lock lock(mutex_);
        writing_ = false;
        if (!ok && !ending_) {
            ending_ = grpc::Status::CANCELLED;
        }
        advance();
    }

    void OnCancel() override { end(grpc::Status::CANCELLED); }
    void OnDone() override { streams_.closed(shared_from_this()); }

private:
    // With mutex_ held. gRPC runs no callback inside StartWrite or Finish, so holding it here is safe.
    void advance()
    {
        if (finished_ || writing_) {
            return;
        }
        if (!ending_) {
            const bool last = queue_->closed();
            if (next_event()) {
                writing_ = true;
                StartWrite(&current_);
                return;
            }
            if (!last) {
                return;
            }
        }
        finished_ = true;
        queue_.reset();
        Finish(ending_.value_or(stopping()));
    }

    bool next_event()
    {
        while (waiting_.empty()) {
            const auto popped = queue_->pop(std::chrono::seconds(0));
            if (!popped) {
                return false;
            }
            lost_ += popped->dropped_before;
            if (owner_ && !is_about_pins_of(*owner_, *popped->item)) {
                continue;
            }
            if (filter_ && !filter_->matches(*popped->item)) {
                continue;
            }
            for (const v1::EventKind kind : event_kinds(*popped->item)) {
                if (kinds_.empty() || kinds_.contains(kind)) {
                    waiting_.emplace_back(popped->item, kind);
                }
            }
        }
        const auto [notice, kind] = std::move(waiting_.front());
        waiting_.pop_front();
        current_ = event_to_proto(*notice, kind);
        current_.set_lost_before(std::exchange(lost_, 0));
        return true;
    }

    EventStreams& streams_;
    std::mutex mutex_;
    std::shared_ptr<Fanout::Queue> queue_;
    const std::set<int> kinds_;
    const std::optional<std::uint32_t> owner_;                                     // pid: only what is about its pins
    const std::optional<PinFilter> filter_;                                        // only what is about such pins
    std::deque<std::pair<std::shared_ptr<const Notice>, v1::EventKind>> waiting_;  // several events from one notice
    v1::WatchEventsResponse current_;
    std::uint64_t lost_ = 0;
    std::optional<grpc::Status> ending_;
    bool writing_ = false;
    bool finished_ = false;
};

void EventStreams::Signal::raise()
{
    {
        const std::scoped_lock lock(mutex);
        events = true;
    }
    changed.notify_one();
}

bool EventStreams::Signal::wait()
{
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return events || ended; });
    events = false;
    return !ended;
}

void EventStreams::Signal::end()
{
    {
        const std::scoped_lock lock(mutex);
        ended = true;
    }
    changed.notify_one();
}

EventStreams::EventStreams(Fanout& fanout, std::size_t most)
    : fanout_(fanout), most_(most), signal_(std::make_shared<Signal>())
{
    thread_ = std::thread([this] { feed(); });
}

EventStreams::~EventStreams()
{
    signal_->end();
    thread_.join();
}

Reactor* EventStreams::open(const v1::WatchEventsRequest& request, std::uint32_t asking)
{
    if (request.own_pins() && asking == 0) {
        return new RefusedStream(unknown_process("own_pins"));
    }
    for (int i = 0; i < request.kinds_size(); ++i) {
        if (request.kinds(i) == v1::EVENT_KIND_UNSPECIFIED || !v1::EventKind_IsValid(request.kinds(i))) {
            return new RefusedStream(
                refuse_field("kinds[" + std::to_string(i) + "]", "not a kind of event this daemon knows"));
        }
    }
    std::optional<PinFilter> filter;
    if (request.has_filter()) {
        auto wanted = filter_from_request(request.filter());
        if (!wanted) {
            return new RefusedStream(to_status(wanted.error()));
        }
        filter = std::move(*wanted);
    }
    if (streams().size() >= most_) {
        return new RefusedStream(to_status(
            {"all " + std::to_string(most_) +
                 " subscriptions to events that this socket has are taken; end one of the running `pinctl watch`",
             EUSERS}));
    }
    auto queue = fanout_.subscribe([signal = signal_] { signal->raise(); });
    if (!queue) {
        return new RefusedStream(to_status(queue.error()));
    }
    const auto stream =
        std::make_shared<EventStream>(*this, std::move(*queue), request,
                                      request.own_pins() ? std::optional(asking) : std::nullopt, std::move(filter));
    bool refused = false;
    {
        const std::scoped_lock lock(mutex_);
        streams_.insert(stream);
        refused = stopping_;
    }
    if (refused) {
        stream->end(stopping());
    }
    // Something may have been published before the stream was on the list.
    signal_->raise();
    return stream.get();
}

void EventStreams::closed(const std::shared_ptr<EventStream>& stream)
{
    const std::scoped_lock lock(mutex_);
    streams_.erase(stream);
}

std::set<std::shared_ptr<EventStream>> EventStreams::streams()
{
    const std::scoped_lock lock(mutex_);
    return streams_;
}

void EventStreams::feed()
{
    while (signal_->wait()) {
        for (const std::shared_ptr<EventStream>& stream : streams()) {
            stream->feed();
        }
    }
}

void EventStreams::stop()
{
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    for (const std::shared_ptr<EventStream>& stream : streams()) {
        stream->end(stopping());
    }
}

}  // namespace pinwarden
