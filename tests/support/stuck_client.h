// A client that asks and takes no answer: its HTTP/2 has a window of no bytes (RFC 9113, 6.9.2).
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "support/hostile_clients.h"

namespace pinwarden::test {

// A request without a message's fields, as HPACK has it when nothing is remembered (RFC 7541, 6.2.2 and appendix A).
inline std::string request_headers(const std::string& path)
{
    const auto text = [](const std::string& value) { return static_cast<char>(value.size()) + value; };
    const std::string post_http("\x83\x86");
    const std::string path_is("\x04");
    const std::string authority_is("\x01");
    const std::string content_type_is("\x0f\x10");
    return post_http + path_is + text(path) + authority_is + text("localhost") + content_type_is +
           text("application/grpc") + '\0' + text("te") + text("trailers");
}

class StuckClient {
public:
    explicit StuckClient(const std::string& socket) : connection_(socket)
    {
        const std::string window_is_nothing("\x00\x04\x00\x00\x00\x00", 6);
        connection_.send(kPreface + frame(kSettings, 0, 0, window_is_nothing));
    }

    // For instance "/pinwarden.v1.StatusService/GetStatus".
    void ask(const std::string& method)
    {
        const std::string empty_message(5, '\0');
        connection_.send(frame(kHeaders, kEndHeaders, next_stream_, request_headers(method)) +
                         frame(kData, kEndStream, next_stream_, empty_message));
        next_stream_ += 2;
    }

    // How many of its calls the server has given up, after as many as that were, or that time.
    std::size_t given_up(std::size_t calls, std::chrono::milliseconds within)
    {
        const auto until = std::chrono::steady_clock::now() + within;
        while (given_up_ < calls && read_some(until)) {
            count_frames();
        }
        return given_up_;
    }

private:
    static constexpr std::uint8_t kData = 0;
    static constexpr std::uint8_t kHeaders = 1;
    static constexpr std::uint8_t kReset = 3;
    static constexpr std::uint8_t kSettings = 4;
    static constexpr std::uint8_t kEndStream = 1;
    static constexpr std::uint8_t kEndHeaders = 4;
    static constexpr std::size_t kFrameHeader = 9;

    bool read_some(std::chrono::steady_clock::time_point until)
    {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
        pollfd state{.fd = connection_.fd(), .events = POLLIN, .revents = 0};
        if (left <= 0 || ::poll(&state, 1, static_cast<int>(left)) <= 0) {
            return false;
        }
        std::array<char, 65536> bytes{};
        const ssize_t got = ::recv(connection_.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (got <= 0) {
            return false;
        }
        received_.append(bytes.data(), static_cast<std::size_t>(got));
        return true;
    }

    void count_frames()
    {
        const auto byte = [this](std::size_t at) { return static_cast<std::uint8_t>(received_[at]); };
        while (received_.size() >= kFrameHeader) {
            const std::size_t carried = std::size_t{byte(0)} << 16U | std::size_t{byte(1)} << 8U | byte(2);
            if (received_.size() < kFrameHeader + carried) {
                return;
            }
            given_up_ += byte(3) == kReset ? 1U : 0U;
            received_.erase(0, kFrameHeader + carried);
        }
    }

    RawConnection connection_;
    std::uint32_t next_stream_ = 1;
    std::string received_;
    std::size_t given_up_ = 0;
};

}  // namespace pinwarden::test
