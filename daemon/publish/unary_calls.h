// Calls of one request and one answer, worked on by threads of our own.
//
// gRPC's synchronous server keeps a thread with each call until the client has taken its answer, which a client that
// opens no window never does: some forty calls, and nobody else is answered. Here an answer that is not taken keeps no
// thread, only memory, and that is bounded: the oldest such call is cancelled when there is too much of it, or after
// some time. Connections are served in turn, so that one which asks a lot keeps others waiting for one call at most.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "publish/unary_limits.h"

namespace pinwarden {

class UnaryCalls {
public:
    explicit UnaryCalls(const UnaryLimits& limits = {});
    UnaryCalls(const UnaryCalls&) = delete;
    UnaryCalls& operator=(const UnaryCalls&) = delete;
    // No call may be left: the server that calls came through has been shut down.
    ~UnaryCalls();

    // What a callback method returns: `method` of `service` will fill the response and say how it went. All must
    // outlive the call; gRPC's do.
    template <typename Service, typename Request, typename Response>
    grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext& context, const Request& request, Response& response,
                                     Service& service,
                                     grpc::Status (Service::*method)(const grpc::ServerContextBase&, const Request&,
                                                                     Response&))
    {
        return enqueue(context, [&context, &request, &response, &service, method]() -> Answer {
            grpc::Status status = (service.*method)(context, request, response);
            return {.status = std::move(status), .bytes = response.ByteSizeLong()};
        });
    }

    // Answers that have been given and that nobody has taken, yet.
    [[nodiscard]] std::size_t untaken() const;

private:
    struct Answer {
        grpc::Status status;
        std::size_t bytes = 0;
    };
    using Work = std::function<Answer()>;
    class Call;

    grpc::ServerUnaryReactor* enqueue(grpc::CallbackServerContext& context, Work work);
    void work_until_stopped();
    void watch_until_stopped();
    Call* next(std::unique_lock<std::recursive_mutex>& lock);
    void answered(Call& call, std::size_t bytes);
    void done(Call& call);

    const UnaryLimits limits_;
    // Recursive: gRPC may say that a call is done on the thread that cancels it.
    mutable std::recursive_mutex mutex_;
    std::condition_variable_any waiting_changed_;
    std::condition_variable_any untaken_changed_;
    bool stopped_ = false;
    std::map<std::string, std::deque<Call*>> waiting_;  // by connection; none is empty
    std::deque<std::string> turns_;                     // the connections of waiting_, the next one first
    std::list<Call*> untaken_;                          // oldest answer first
    std::size_t untaken_bytes_ = 0;
    std::vector<std::thread> threads_;
};

}  // namespace pinwarden
