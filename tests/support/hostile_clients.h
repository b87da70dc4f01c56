// Clients that mean harm, or are broken: bytes that are no HTTP/2, frames that are none, requests that are no messages.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.h"
#include "support/api_methods.h"
#include "support/raw_call.h"

namespace pinwarden::test {

// What every client of HTTP/2 says first.
inline const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string random_bytes(std::mt19937_64& random, std::size_t most)
{
    std::string bytes(random() % (most + 1), '\0');
    for (char& byte : bytes) {
        byte = static_cast<char>(random());
    }
    return bytes;
}

// A frame of HTTP/2: nine bytes of header, then what it carries.
inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& carried)
{
    std::string bytes;
    for (const std::uint64_t part : {carried.size() >> 16U, carried.size() >> 8U, carried.size(), std::uint64_t{type},
                                     std::uint64_t{flags}, std::uint64_t{stream} >> 24U, std::uint64_t{stream} >> 16U,
                                     std::uint64_t{stream} >> 8U, std::uint64_t{stream}}) {
        bytes += static_cast<char>(part);
    }
    return bytes + carried;
}

// A connection to a Unix socket that says what it is told to.
class RawConnection {
public:
    explicit RawConnection(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
        if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
            throw std::runtime_error("connect to " + path + ": " + std::strerror(errno));
        }
    }

    // As much as the other end takes at once.
    void send(const std::string& bytes) const
    {
        [[maybe_unused]] const ssize_t sent =
            ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    // Whether the other end closes it, at the latest within that time.
    [[nodiscard]] bool is_closed(std::chrono::milliseconds within = std::chrono::milliseconds(0)) const
    {
        pollfd state{.fd = fd_.get(), .events = 0, .revents = 0};
        return ::poll(&state, 1, static_cast<int>(within.count())) > 0 && (state.revents & POLLHUP) != 0;
    }

    // Its own, open as long as it is.
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    OwnedFd fd_;
};

// A channel with a connection of its own: gRPC shares one among those that look alike.
inline std::shared_ptr<grpc::Channel> own_channel(const std::string& socket)
{
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

// As many connections as that, one after the other: each says something random, behind a proper beginning or without.
inline void throw_bytes(const std::string& socket, std::mt19937_64& random, int connections)
{
    constexpr std::size_t kMost = 512;
    for (int i = 0; i < connections; ++i) {
        const RawConnection connection(socket);
        std::string said = random() % 4 == 0 ? "" : kPreface;
        said += random() % 4 == 0 ? "" : frame(4, 0, 0, "");
        if (random() % 2 == 0) {
            said += random_bytes(random, kMost);
        } else {
            said += frame(static_cast<std::uint8_t>(random() % 12), static_cast<std::uint8_t>(random()),
                          static_cast<std::uint32_t>(random() % 8), random_bytes(random, kMost));
        }
        connection.send(said);
    }
}

// As many requests as that, of all methods in turn, each with random bytes. What is answered does not matter; streams
// are left at once. Requests that would end the ways of the server itself there are none.
inline void throw_requests(const std::shared_ptr<grpc::Channel>& channel, std::mt19937_64& random, int requests)
{
    constexpr std::size_t kMost = 64;
    static const auto methods = all_methods();
    for (int i = 0; i < requests; ++i) {
        const auto& method = *methods[random() % methods.size()];
        RawCall call(channel, "/" + method.service()->full_name() + "/" + method.name(), random_bytes(random, kMost));
        if (method.server_streaming()) {
            call.wait_for_answer();
            call.cancel();
        }
        call.end();
    }
}

}  // namespace pinwarden::test
