#include "publish/metrics_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "publish/metrics.h"

namespace pinwarden {
namespace {

struct Address {
    std::string host;  // as it is written in front of the port: IPv6 in brackets
    std::uint16_t port = 0;
    sockaddr_storage socket{};
    socklen_t socket_bytes = 0;
};

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

bool set_socket_address(const std::string& host, Address& address)
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

Result<Address> parse_address(const std::string& text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) {
        return bad_address(text, "has no port");
    }
    Address address;
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

const sockaddr* generic(const Address& address)
{
    return reinterpret_cast<const sockaddr*>(&address.socket);  // NOLINT: how the socket API is made
}

// The HTTP library only says that it did not start; the kernel says why.
Result<void> try_to_bind(const Address& address, const std::string& text)
{
    const OwnedFd fd(::socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
        return std::unexpected(system_error("create a socket for metrics", errno));
    }
    if (::bind(fd.get(), generic(address), address.socket_bytes) == 0 && ::listen(fd.get(), 1) == 0) {
        return {};
    }
    if (errno == EADDRINUSE) {
        return fail(
            "metrics address " + text + ": port " + std::to_string(address.port) +
                " is already in use; stop who uses it (see `ss -ltnp`), or choose another with --metrics-address",
            EADDRINUSE);
    }
    Error error = system_error("metrics address " + text, errno);
    error.message += "; choose another with --metrics-address";
    return std::unexpected(std::move(error));
}

// civetweb looks whether it is to stop only when a connection comes, or every two seconds: stopping the daemon would
// take that long. So connections come.
class Knocker {
public:
    explicit Knocker(const Address& address)
        : thread_([&address](const std::stop_token& stop) { knock(address, stop); })
    {
    }

private:
    static void knock(const Address& address, const std::stop_token& stop)
    {
        while (!stop.stop_requested()) {
            const OwnedFd fd(::socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            [[maybe_unused]] const int connected = ::connect(fd.get(), generic(address), address.socket_bytes);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    std::jthread thread_;
};

class HttpMetricsServer final : public MetricsServer {
public:
    // Throws what the HTTP library throws.
    HttpMetricsServer(const Address& address, Pipeline& pipeline)
        : listening_(address),
          collectable_(make_collectable(pipeline)),
          exposer_(std::make_unique<prometheus::Exposer>(
              std::vector<std::string>{"listening_ports", address.host + ":" + std::to_string(address.port),
                                       "num_threads", "2", "request_timeout_ms", "5000"}))
    {
        exposer_->RegisterCollectable(collectable_);
        listening_.port = static_cast<std::uint16_t>(exposer_->GetListeningPorts().at(0));
        set_socket_address(listening_.host, listening_);
        address_ = listening_.host + ":" + std::to_string(listening_.port);
    }

    ~HttpMetricsServer() override
    {
        const Knocker knocker(listening_);
        exposer_.reset();
    }

    [[nodiscard]] const std::string& address() const override { return address_; }

private:
    Address listening_;
    std::string address_;
    std::shared_ptr<prometheus::Collectable> collectable_;
    std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace

Result<void> check_metrics_address(const std::string& address)
{
    const auto parsed = parse_address(address);
    return parsed ? Result<void>() : std::unexpected(parsed.error());
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string& address, Pipeline& pipeline)
{
    const Result<Address> parsed = parse_address(address);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    if (const Result<void> free = try_to_bind(*parsed, address); !free) {
        return std::unexpected(free.error());
    }
    try {
        return std::make_unique<HttpMetricsServer>(*parsed, pipeline);
    } catch (const std::exception& exception) {
        return fail("serve metrics on " + address + ": " + exception.what() +
                    "; choose another with --metrics-address");
    }
}

}  // namespace pinwarden
