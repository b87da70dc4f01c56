// A small HTTP server for what is only looked at: answers to GET and HEAD, each made in one piece.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "publish/http_address.h"

namespace pinwarden {

// The other end of a connection.
struct HttpPeer {
    std::string address;  // without brackets
    std::uint16_t port = 0;
};

// Valid during the call.
struct HttpRequest {
    std::string_view path;           // without the query; cleaned of ".."
    std::string_view host;           // header; empty: there was none
    std::string_view if_none_match;  // the same
    HttpPeer peer;
};

struct HttpAnswer {
    int status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body = {};
    std::string etag = {};  // quoted; empty: none
};

class HttpServer {
public:
    // Called by several threads at once.
    using Handler = std::function<HttpAnswer(const HttpRequest& request)>;

    // Port 0 picks a free one. Error: the port is taken, or what the kernel says.
    static Result<std::unique_ptr<HttpServer>> start(const HttpAddress& address, Handler handler);
    HttpServer() = default;
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    // Waits for running calls.
    virtual ~HttpServer() = default;

    // Where it listens, with the real port.
    [[nodiscard]] virtual const HttpAddress& address() const = 0;
};

}  // namespace pinwarden
