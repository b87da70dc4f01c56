#include "publish/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "base/fd.h"

namespace pinwarden {
namespace {

// So many are served at once: whoever sends its request slowly keeps one of them, for as long as civetweb waits.
constexpr const char* kThreads = "16";
constexpr const char* kRequestMilliseconds = "5000";

const sockaddr* generic(const HttpAddress& address)
{
    return reinterpret_cast<const sockaddr*>(&address.socket);  // NOLINT: how the socket API is made
}

// The HTTP library only says that it did not start; the kernel says why.
Result<void> try_to_bind(const HttpAddress& address)
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
            "metrics address " + address.text() + ": port " + std::to_string(address.port) +
                " is already in use; stop who uses it (see `ss -ltnp`), or choose another with --metrics-address",
            EADDRINUSE);
    }
    Error error = system_error("metrics address " + address.text(), errno);
    error.message += "; choose another with --metrics-address";
    return std::unexpected(std::move(error));
}

// civetweb looks whether it is to stop only when a connection comes, or every two seconds: stopping the daemon would
// take that long. So connections come.
class Knocker {
public:
    explicit Knocker(const HttpAddress& address)
        : thread_([&address](const std::stop_token& stop) { knock(address, stop); })
    {
    }

private:
    static void knock(const HttpAddress& address, const std::stop_token& stop)
    {
        while (!stop.stop_requested()) {
            const OwnedFd fd(::socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            [[maybe_unused]] const int connected = ::connect(fd.get(), generic(address), address.socket_bytes);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    std::jthread thread_;
};

std::string_view header(const mg_connection* connection, const char* name)
{
    const char* value = mg_get_header(connection, name);
    return value == nullptr ? std::string_view() : value;
}

const char* reason_of(int status)
{
    switch (status) {
        case 200: return "OK";
        case 304: return "Not Modified";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        default: return "Error";
    }
}

// Nothing from elsewhere, nothing inline, in nobody's frame; and nothing of it is kept or guessed at.
constexpr std::string_view kHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n";

void send(mg_connection* connection, const HttpAnswer& answer, bool with_body)
{
    std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " " + reason_of(answer.status) + "\r\n";
    if (answer.status != 304) {
        head += "Content-Type: " + answer.type + "\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
    }
    if (!answer.etag.empty()) {
        head += "ETag: " + answer.etag + "\r\n";
    }
    head.append(kHeaders).append("\r\n");
    if (with_body && answer.status != 304) {
        head += answer.body;
    }
    mg_write(connection, head.data(), head.size());
}

class CivetServer final : public HttpServer {
public:
    CivetServer(HttpAddress address, Handler handler) : address_(std::move(address)), handler_(std::move(handler)) {}

    ~CivetServer() override
    {
        if (context_ != nullptr) {
            const Knocker knocker(address_);
            mg_stop(context_);
        }
        mg_exit_library();
    }

    Result<void> listen()
    {
        mg_init_library(0);
        const std::string port = address_.text();
        const std::array options{"listening_ports",
                                 port.c_str(),
                                 "num_threads",
                                 kThreads,
                                 "request_timeout_ms",
                                 kRequestMilliseconds,
                                 static_cast<const char*>(nullptr)};
        // In place of the library's own files, of which there are none.
        mg_callbacks callbacks{};
        callbacks.log_message = [](const mg_connection* /*connection*/, const char* /*message*/) { return 1; };
        context_ = mg_start(&callbacks, this, const_cast<const char**>(options.data()));  // NOLINT: how it is declared
        if (context_ == nullptr) {
            return fail("serve HTTP on " + port + ": the library refused; choose another with --metrics-address");
        }
        mg_set_request_handler(context_, "/", &CivetServer::handle, this);
        mg_server_port ports{};
        if (mg_get_server_ports(context_, 1, &ports) != 1) {
            return fail("serve HTTP on " + port + ": which port was taken is not known");
        }
        address_.set_port(static_cast<std::uint16_t>(ports.port));
        return {};
    }

    [[nodiscard]] const HttpAddress& address() const override { return address_; }

private:
    static int handle(mg_connection* connection, void* self)
    {
        const mg_request_info* info = mg_get_request_info(connection);
        const bool head = std::strcmp(info->request_method, "HEAD") == 0;
        if (!head && std::strcmp(info->request_method, "GET") != 0) {
            send(connection, {.status = 405, .body = "only GET and HEAD\n"}, true);
            return 1;
        }
        const HttpRequest request{
            .path = info->local_uri == nullptr ? "" : info->local_uri,
            .host = header(connection, "Host"),
            .if_none_match = header(connection, "If-None-Match"),
            .peer = {.address = info->remote_addr, .port = static_cast<std::uint16_t>(info->remote_port)}};
        HttpAnswer answer = static_cast<CivetServer*>(self)->handler_(request);
        if (!answer.etag.empty() && request.if_none_match == answer.etag) {
            answer.status = 304;
        }
        send(connection, answer, !head);
        return 1;
    }

    HttpAddress address_;
    Handler handler_;
    mg_context* context_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpAddress& address, Handler handler)
{
    if (const Result<void> free = try_to_bind(address); !free) {
        return std::unexpected(free.error());
    }
    auto server = std::make_unique<CivetServer>(address, std::move(handler));
    if (auto listening = server->listen(); !listening) {
        return std::unexpected(listening.error());
    }
    return server;
}

}  // namespace pinwarden
