#include "publish/fanout.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pinwarden {

Fanout::Fanout(std::size_t max_subscribers, std::size_t queue_capacity)
    : max_subscribers_(max_subscribers), queue_capacity_(queue_capacity)
{
}

void Fanout::forget_expired()
{
    std::erase_if(subscribers_, [](const Subscriber& subscriber) { return subscriber.queue.expired(); });
}

Result<std::shared_ptr<Fanout::Queue>> Fanout::subscribe(Wake wake)
{
    const std::scoped_lock lock(mutex_);
    if (closed_) {
        return fail("pinwardend is stopping", ESHUTDOWN);
    }
    forget_expired();
    if (subscribers_.size() >= max_subscribers_) {
        return fail("all " + std::to_string(max_subscribers_) +
                        " subscriptions to events are taken; end one of the running `pinctl watch`",
                    EUSERS);
    }
    auto queue = std::make_shared<Queue>(queue_capacity_);
    subscribers_.push_back({queue, std::move(wake)});
    return queue;
}

void Fanout::publish(Notice notice)
{
    const std::scoped_lock lock(mutex_);
    forget_expired();
    if (subscribers_.empty() || closed_) {
        return;
    }
    const auto shared = std::make_shared<const Notice>(std::move(notice));
    for (const Subscriber& subscriber : subscribers_) {
        const std::shared_ptr<Queue> queue = subscriber.queue.lock();
        if (!queue) {
            continue;
        }
        if (!queue->push(shared)) {
            ++dropped_;
        } else if (subscriber.wake) {
            subscriber.wake();
        }
    }
}

void Fanout::close()
{
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    for (const Subscriber& subscriber : subscribers_) {
        if (const std::shared_ptr<Queue> queue = subscriber.queue.lock()) {
            queue->close();
            if (subscriber.wake) {
                subscriber.wake();
            }
        }
    }
}

bool Fanout::has_subscribers() const
{
    const std::scoped_lock lock(mutex_);
    return std::ranges::any_of(subscribers_, [](const Subscriber& subscriber) { return !subscriber.queue.expired(); });
}

std::uint64_t Fanout::dropped() const
{
    const std::scoped_lock lock(mutex_);
    return dropped_;
}

}  // namespace pinwarden
