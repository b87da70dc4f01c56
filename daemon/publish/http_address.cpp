#include "publish/http_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace pinwarden {
namespace {

std::unexpected<Error> bad_address(const std::string& text, const std::string& why)
{
    return fail("metrics address \"" + text + "\": " + why +
                    "; give an IP address and a port, such as 127.0.0.1:9877, " + "with --metrics-address",
                EINVAL);
}

std::optional<std::uint16_t> parse_port(std::string_view text)
{
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return port;
}

bool set_socket_address(const std::string& host, HttpAddress& address)
{
    if (host.starts_with('[') && host.ends_with(']')) {
        sockaddr_in6 ip{};
        ip.sin6_family = AF_INET6;
        ip.sin6_port = htons(address.port);
        if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &ip.sin6_addr) != 1) {
            return false;
        }
        std::memcpy(&address.socket, &ip, sizeof(ip));
        address.socket_bytes = sizeof(ip);
        return true;
    }
    sockaddr_in ip{};
    ip.sin_family = AF_INET;
    ip.sin_port = htons(address.port);
    if (inet_pton(AF_INET, host.c_str(), &ip.sin_addr) != 1) {
        return false;
    }
    std::memcpy(&address.socket, &ip, sizeof(ip));
    address.socket_bytes = sizeof(ip);
    return true;
}

}  // namespace

void HttpAddress::set_port(std::uint16_t other)
{
    port = other;
    set_socket_address(host, *this);
}

bool HttpAddress::is_loopback() const
{
    if (socket.ss_family == AF_INET6) {
        sockaddr_in6 ip{};
        std::memcpy(&ip, &socket, sizeof(ip));
        return IN6_IS_ADDR_LOOPBACK(&ip.sin6_addr);
    }
    sockaddr_in ip{};
    std::memcpy(&ip, &socket, sizeof(ip));
    constexpr std::uint32_t kLoopbackNet = 127;
    return (ntohl(ip.sin_addr.s_addr) >> 24U) == kLoopbackNet;
}

Result<HttpAddress> parse_http_address(const std::string& text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) {
        return bad_address(text, "has no port");
    }
    HttpAddress address;
    address.host = text.substr(0, colon);
    if (address.host == "localhost") {
        address.host = "127.0.0.1";
    }
    const std::optional<std::uint16_t> port = parse_port(std::string_view(text).substr(colon + 1));
    if (!port) {
        return bad_address(text, "\"" + text.substr(colon + 1) + "\" is not a port from 0 to 65535");
    }
    address.port = *port;
    if (!set_socket_address(address.host, address)) {
        return bad_address(text, "\"" + address.host + "\" is not an IP address (IPv6 goes in brackets)");
    }
    return address;
}

}  // namespace pinwarden
