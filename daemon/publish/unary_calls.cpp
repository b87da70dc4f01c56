#include "publish/unary_calls.h"

#include <utility>

namespace pinwarden {

// Deletes itself when gRPC is done with it.
class UnaryCalls::Call final : public grpc::ServerUnaryReactor {
public:
    Call(UnaryCalls& calls, grpc::CallbackServerContext& context, Work work)
        : calls_(calls), context_(context), work_(std::move(work))
    {
    }

    void run()
    {
        Answer answer = work_();
        // Before it is sent: afterwards gRPC may be done with the call at any time.
        calls_.answered(*this, answer.bytes);
        Finish(answer.status);
    }

    void cancel() { context_.TryCancel(); }

    // Whoever cancels learns it from gRPC; what is being worked on is answered all the same.
    void OnCancel() override {}

    void OnDone() override
    {
        calls_.done(*this);
        delete this;
    }

    // Under the mutex of the calls.
    struct Untaken {
        std::chrono::steady_clock::time_point since;
        std::size_t bytes = 0;
        std::list<Call*>::iterator place;
        bool listed = false;
    };
    Untaken untaken;

private:
    UnaryCalls& calls_;
    grpc::CallbackServerContext& context_;
    Work work_;
};

UnaryCalls::UnaryCalls(const UnaryLimits& limits) : limits_(limits)
{
    for (std::size_t i = 0; i < limits_.threads; ++i) {
        threads_.emplace_back([this] { work_until_stopped(); });
    }
    threads_.emplace_back([this] { watch_until_stopped(); });
}

UnaryCalls::~UnaryCalls()
{
    {
        const std::scoped_lock lock(mutex_);
        stopped_ = true;
    }
    waiting_changed_.notify_all();
    untaken_changed_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

std::size_t UnaryCalls::untaken() const
{
    const std::scoped_lock lock(mutex_);
    return untaken_.size();
}

grpc::ServerUnaryReactor* UnaryCalls::enqueue(grpc::CallbackServerContext& context, Work work)
{
    auto* call = new Call(*this, context, std::move(work));
    const std::string connection = context.peer();
    {
        const std::scoped_lock lock(mutex_);
        std::deque<Call*>& of_connection = waiting_[connection];
        if (of_connection.empty()) {
            turns_.push_back(connection);
        }
        of_connection.push_back(call);
    }
    waiting_changed_.notify_one();
    return call;
}

// nullptr: there will be no more.
UnaryCalls::Call* UnaryCalls::next(std::unique_lock<std::recursive_mutex>& lock)
{
    waiting_changed_.wait(lock, [this] { return stopped_ || !turns_.empty(); });
    if (turns_.empty()) {
        return nullptr;
    }
    std::string connection = std::move(turns_.front());
    turns_.pop_front();
    const auto found = waiting_.find(connection);
    Call* call = found->second.front();
    found->second.pop_front();
    if (found->second.empty()) {
        waiting_.erase(found);
    } else {
        turns_.push_back(std::move(connection));
    }
    return call;
}

void UnaryCalls::work_until_stopped()
{
    while (true) {
        Call* call = nullptr;
        {
            std::unique_lock lock(mutex_);
            call = next(lock);
        }
        if (call == nullptr) {
            return;
        }
        call->run();
    }
}

void UnaryCalls::watch_until_stopped()
{
    std::unique_lock lock(mutex_);
    while (!stopped_) {
        if (untaken_.empty()) {
            untaken_changed_.wait(lock);
            continue;
        }
        Call& oldest = *untaken_.front();
        const auto until = oldest.untaken.since + limits_.patience;
        const bool too_much = untaken_bytes_ > limits_.untaken_bytes && untaken_.size() > 1;
        if (!too_much && std::chrono::steady_clock::now() < until) {
            untaken_changed_.wait_until(lock, until);
            continue;
        }
        // Taken from the list first: gRPC may need a while to be done with it, and it is cancelled once.
        untaken_bytes_ -= oldest.untaken.bytes;
        untaken_.pop_front();
        oldest.untaken.listed = false;
        // Under the mutex, without which it could be done with, and gone, before it is cancelled.
        oldest.cancel();
    }
}

void UnaryCalls::answered(Call& call, std::size_t bytes)
{
    {
        const std::scoped_lock lock(mutex_);
        untaken_bytes_ += bytes;
        call.untaken = {.since = std::chrono::steady_clock::now(),
                        .bytes = bytes,
                        .place = untaken_.insert(untaken_.end(), &call),
                        .listed = true};
        if (untaken_.size() > 1 && untaken_bytes_ <= limits_.untaken_bytes) {
            return;
        }
    }
    untaken_changed_.notify_one();
}

void UnaryCalls::done(Call& call)
{
    const std::scoped_lock lock(mutex_);
    if (!call.untaken.listed) {
        return;
    }
    untaken_bytes_ -= call.untaken.bytes;
    untaken_.erase(call.untaken.place);
    call.untaken.listed = false;
}

}  // namespace pinwarden
