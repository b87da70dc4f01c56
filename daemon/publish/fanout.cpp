#include "publish/fanout.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pinwarden {

template <typename Item>
FanoutOf<Item>::FanoutOf(std::size_t max_subscribers, std::size_t queue_capacity, std::string what)
    : max_subscribers_(max_subscribers), queue_capacity_(queue_capacity), what_(std::move(what))
{
}

template <typename Item>
void FanoutOf<Item>::forget_expired()
{
    std::erase_if(subscribers_, [](const Subscriber& subscriber) { return subscriber.queue.expired(); });
}

template <typename Item>
Result<std::shared_ptr<typename FanoutOf<Item>::Queue>> FanoutOf<Item>::subscribe(Wake wake)
{
    const std::scoped_lock lock(mutex_);
    if (closed_) {
        return fail("pinwardend is stopping", ESHUTDOWN);
    }
    forget_expired();
    if (subscribers_.size() >= max_subscribers_) {
        return fail("all " + std::to_string(max_subscribers_) + " " + what_, EUSERS);
    }
    auto queue = std::make_shared<Queue>(queue_capacity_);
    subscribers_.push_back({queue, std::move(wake)});
    return queue;
}

template <typename Item>
void FanoutOf<Item>::publish(Item item)
{
    const std::scoped_lock lock(mutex_);
    forget_expired();
    if (subscribers_.empty() || closed_) {
        return;
    }
    const auto shared = std::make_shared<const Item>(std::move(item));
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

template <typename Item>
void FanoutOf<Item>::close()
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

template <typename Item>
bool FanoutOf<Item>::has_subscribers() const
{
    const std::scoped_lock lock(mutex_);
    return std::ranges::any_of(subscribers_, [](const Subscriber& subscriber) { return !subscriber.queue.expired(); });
}

template <typename Item>
std::size_t FanoutOf<Item>::subscribers() const
{
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(subscribers_, [](const Subscriber& subscriber) { return !subscriber.queue.expired(); }));
}

template <typename Item>
std::uint64_t FanoutOf<Item>::dropped() const
{
    const std::scoped_lock lock(mutex_);
    return dropped_;
}

template class FanoutOf<Notice>;
template class FanoutOf<std::string>;

}  // namespace pinwarden
