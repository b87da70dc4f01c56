// A queue between threads that never blocks its producer: when full, it drops the new item and counts it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace pinwarden {

template <typename T>
class BoundedQueue {
public:
    explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

    // False when the queue was full (the item is dropped and counted) or closed.
    bool push(T item)
    {
        {
            const std::scoped_lock lock(mutex_);
            if (closed_) {
                return false;
            }
            if (items_.size() >= capacity_) {
                ++dropped_;
                return false;
            }
            items_.push_back(std::move(item));
        }
        ready_.notify_one();
        return true;
    }

    struct Popped {
        T item;
        std::uint64_t dropped_before;  // items dropped since the one popped before this
    };

    // Waits up to `timeout` for an item. Nothing when none came, or when the queue is closed and empty.
    template <typename Rep, typename Period>
    std::optional<Popped> pop(std::chrono::duration<Rep, Period> timeout)
    {
        std::unique_lock lock(mutex_);
        ready_.wait_for(lock, timeout, [this] { return closed_ || !items_.empty(); });
        if (items_.empty()) {
            return std::nullopt;
        }
        Popped popped{std::move(items_.front()), std::exchange(dropped_, 0)};
        items_.pop_front();
        return popped;
    }

    // Wakes every waiter. What is queued can still be popped; nothing more can be pushed.
    void close()
    {
        {
            const std::scoped_lock lock(mutex_);
            closed_ = true;
        }
        ready_.notify_all();
    }

    [[nodiscard]] bool closed() const
    {
        const std::scoped_lock lock(mutex_);
        return closed_;
    }

private:
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<T> items_;
    std::uint64_t dropped_ = 0;
    bool closed_ = false;
};

}  // namespace pinwarden
