// Items to any number of subscribers, each with a bounded queue: a slow one loses some and is told how many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/bounded_queue.h"
#include "base/result.h"
#include "publish/snapshot.h"

namespace pinwarden {

template <typename Item>
class FanoutOf {
public:
    using Queue = BoundedQueue<std::shared_ptr<const Item>>;
    using Wake = std::function<void()>;

    // `what`: of what there are too many subscribers, and how to end one, for the message.
    FanoutOf(std::size_t max_subscribers, std::size_t queue_capacity,
             std::string what = "subscriptions to events are taken; end one of the running `pinctl watch`");

    // Error EUSERS when there are too many already, ESHUTDOWN after close(). The subscription ends when the pointer is
    // released. `wake`, if given, is called on the publishing thread after every item queued and on close(): it must
    // neither block nor call the fanout, and what it uses must stay alive as long as itself.
    Result<std::shared_ptr<Queue>> subscribe(Wake wake = {});
    // Never blocks on a subscriber. Cheap when there is none.
    void publish(Item item);
    // Closes every queue and refuses new subscribers.
    void close();
    [[nodiscard]] bool has_subscribers() const;
    [[nodiscard]] std::size_t subscribers() const;
    // Items that full queues have dropped so far, over all subscribers.
    [[nodiscard]] std::uint64_t dropped() const;

private:
    struct Subscriber {
        std::weak_ptr<Queue> queue;
        Wake wake;
    };
    void forget_expired();

    const std::size_t max_subscribers_;
    const std::size_t queue_capacity_;
    const std::string what_;
    mutable std::mutex mutex_;
    std::vector<Subscriber> subscribers_;
    std::uint64_t dropped_ = 0;
    bool closed_ = false;
};

// Of events.
using Fanout = FanoutOf<Notice>;
// Of lines of the audit log.
using AuditTail = FanoutOf<std::string>;

extern template class FanoutOf<Notice>;
extern template class FanoutOf<std::string>;

}  // namespace pinwarden
