#include "publish/metrics_server.h"

#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <utility>

#include "base/clock.h"
#include "publish/http_server.h"
#include "publish/metrics.h"
#include "publish/status_page.h"
#include "publish/viewer.h"

namespace pinwarden {
namespace {

constexpr int kForbidden = 403;
constexpr int kNotFound = 404;

// Without its port.
std::string_view host_of(std::string_view header)
{
    if (header.starts_with('[')) {
        return header.substr(0, header.find(']') + 1);
    }
    return header.substr(0, header.find(':'));
}

bool names_this_machine(std::string_view header, const HttpAddress& address)
{
    const std::string_view host = host_of(header);
    return host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == address.host;
}

class Web final : public MetricsServer {
public:
    Web(Pipeline& pipeline, const WebSources& sources)
        : collectable_(make_collectable(pipeline, sources.config)),
          page_(pipeline, sources.conflicts, sources.clock == nullptr ? system_clock_ : *sources.clock),
          viewers_(sources.reader_groups)
    {
    }

    Result<void> start(const HttpAddress& address)
    {
        auto server = HttpServer::start(address, [this](const HttpRequest& request) { return answer(request); });
        if (!server) {
            return std::unexpected(server.error());
        }
        address_ = (*server)->address();
        text_ = address_.text();
        ready_.store(true);
        server_ = std::move(*server);
        return {};
    }

    [[nodiscard]] const std::string& address() const override { return text_; }

private:
    [[nodiscard]] HttpAnswer answer(const HttpRequest& request)
    {
        if (request.path == "/metrics") {
            return {.type = "text/plain; version=0.0.4; charset=utf-8",
                    .body = prometheus::TextSerializer().Serialize(collectable_->Collect())};
        }
        if (!ready_.load()) {
            return {.status = 503, .body = "starting\n"};
        }
        if (address_.is_loopback() && !names_this_machine(request.host, address_)) {
            return {.status = kForbidden, .body = "ask for localhost: under another name this page is not served\n"};
        }
        if (request.path == "/page.json") {
            const auto user = user_of(request.peer, address_);
            return page_.json(user && viewers_.may_see_details(*user));
        }
        if (const PageFile* file = find_page_file(request.path); file != nullptr) {
            return {.type = std::string(file->type), .body = std::string(file->content)};
        }
        return {.status = kNotFound, .body = "there is /, /metrics and /page.json\n"};
    }

    const SystemClock system_clock_;
    std::shared_ptr<prometheus::Collectable> collectable_;
    StatusPage page_;
    Viewers viewers_;
    HttpAddress address_;
    std::string text_;
    std::atomic<bool> ready_ = false;  // the address is known
    std::unique_ptr<HttpServer> server_;
};

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string& address, Pipeline& pipeline,
                                                            const WebSources& sources)
{
    const auto parsed = parse_http_address(address);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    auto web = std::make_unique<Web>(pipeline, sources);
    if (auto started = web->start(*parsed); !started) {
        return std::unexpected(started.error());
    }
    return web;
}

}  // namespace pinwarden
