// /metrics over HTTP, for Prometheus.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "publish/snapshot.h"

namespace pinwarden {

// Whether MetricsServer::start() understands the address; says what is wrong with it.
Result<void> check_metrics_address(const std::string& address);

class MetricsServer {
public:
    // Listens on `address`: "127.0.0.1:9877", "[::1]:9877" or "localhost:9877"; port 0 picks a free one. Error: what is
    // wrong with the address, or that the port is taken. `pipeline` must outlive the server.
    static Result<std::unique_ptr<MetricsServer>> start(const std::string& address, Pipeline& pipeline);
    MetricsServer() = default;
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;
    virtual ~MetricsServer() = default;

    // Where it listens, with the real port.
    [[nodiscard]] virtual const std::string& address() const = 0;
};

}  // namespace pinwarden
