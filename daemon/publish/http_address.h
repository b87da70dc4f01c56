// Where a server listens that is only looked at.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace pinwarden {

struct HttpAddress {
    std::string host;  // as it is written in front of the port: IPv6 in brackets
    std::uint16_t port = 0;
    sockaddr_storage socket{};
    socklen_t socket_bytes = 0;

    // The same on another port.
    void set_port(std::uint16_t other);
    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
};

// "127.0.0.1:9877", "[::1]:9877" or "localhost:9877". Error: what is wrong with it, for the option --metrics-address.
Result<HttpAddress> parse_http_address(const std::string& text);

}  // namespace pinwarden
