#include "recording/tape.h"

#include <utility>

namespace pinwarden {

void Tape::push(v1::RecordResponse response)
{
    const std::size_t bytes = response.ByteSizeLong();
    bytes_ += bytes;
    waiting_.push_back({std::move(response), bytes});
    ready_.notify_one();
}

void Tape::add(v1::RecordResponse response, std::uint64_t records)
{
    const std::scoped_lock lock(mutex_);
    if (closed_) {
        return;
    }
    if (bytes_ + response.ByteSizeLong() > most_bytes_) {
        if (response.has_piece()) {
            dropped_.set_lost(dropped_.lost() + records);
            dropped_.mutable_symbols()->MergeFrom(response.piece().symbols());
            dropped_.mutable_cgroups()->MergeFrom(response.piece().cgroups());
        }
        return;
    }
    if (dropped_.lost() > 0) {
        v1::RecordResponse told;
        told.mutable_piece()->Swap(&dropped_);
        dropped_.Clear();
        push(std::move(told));
    }
    push(std::move(response));
}

void Tape::add_always(v1::RecordResponse response)
{
    const std::scoped_lock lock(mutex_);
    if (!closed_) {
        push(std::move(response));
    }
}

std::optional<v1::RecordResponse> Tape::take(std::chrono::milliseconds wait)
{
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, wait, [this] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) {
        return std::nullopt;
    }
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= next.bytes;
    return std::move(next.response);
}

void Tape::close()
{
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    ready_.notify_all();
}

bool Tape::closed() const
{
    const std::scoped_lock lock(mutex_);
    return closed_;
}

}  // namespace pinwarden
