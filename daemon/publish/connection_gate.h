// Between accept() and gRPC: connections that say nothing, or no HTTP/2, and more of them than there is room for.
//
// gRPC waits for ever for the first bytes of a connection it was given, and takes any number of them. So whoever only
// connects would take the daemon's memory and descriptors, and nobody else could ask it any more.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "base/fd.h"

namespace pinwarden {

struct ConnectionLimits {
    std::size_t served = 128;                    // at once; one more is closed
    std::size_t silent = 32;                     // at once; one more takes the place of the oldest
    std::chrono::milliseconds patience{10'000};  // for the first bytes
};

// For one thread.
class ConnectionGate {
public:
    using Clock = std::chrono::steady_clock;

    // `serve` gets each connection that has begun to speak HTTP/2, and closes it when it ends.
    ConnectionGate(ConnectionLimits limits, std::function<void(int fd)> serve)
        : limits_(limits), serve_(std::move(serve))
    {
    }

    // A connection that was accepted: non-blocking.
    void arrived(OwnedFd fd, Clock::time_point now);
    // Adds what is to be waited for before look() is called; at most for as long as wait() says (-1: any time).
    void watch(std::vector<pollfd>& watched) const;
    [[nodiscard]] int wait(Clock::time_point now) const;
    // Serves those that have spoken; forgets those that are gone, and ends those that take too long.
    void look(Clock::time_point now);

    [[nodiscard]] std::size_t served() const { return served_.size(); }
    [[nodiscard]] std::size_t silent() const { return silent_.size(); }

private:
    struct Silent {
        OwnedFd fd;
        Clock::time_point until;
        bool begun = false;  // some of the bytes have come: poll() would not wait for the others
    };

    void admit(OwnedFd fd);

    const ConnectionLimits limits_;
    const std::function<void(int fd)> serve_;
    std::deque<Silent> silent_;    // oldest first
    std::vector<OwnedFd> served_;  // second descriptors: the first is closed by who serves it, unseen
};

}  // namespace pinwarden
