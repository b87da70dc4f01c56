// /metrics over HTTP, for Prometheus, and the status page beside it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "publish/config_view.h"
#include "publish/snapshot.h"

namespace pinwarden {

class Clock;
class ConflictHistory;

// What else there is to be shown. nullptr: it is left out.
struct WebSources {
    const ConfigSource* config = nullptr;
    const ConflictHistory* conflicts = nullptr;
    const Clock* clock = nullptr;           // of the conflicts; nullptr: this machine's
    std::vector<gid_t> reader_groups = {};  // whose members may see names of files and processes
};

// GET /metrics, and the page: /, its files, and /page.json. The page has names only for who may read the API, which
// can be told over loopback alone; and over loopback it is served only to who asks for this machine by name, so that no
// web site can have a browser fetch it under another name.
class MetricsServer {
public:
    // Listens on `address`: "127.0.0.1:9877", "[::1]:9877" or "localhost:9877"; port 0 picks a free one. Error: what is
    // wrong with the address, or that the port is taken. What is given must outlive the server.
    static Result<std::unique_ptr<MetricsServer>> start(const std::string& address, Pipeline& pipeline,
                                                        const WebSources& sources = {});
    MetricsServer() = default;
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;
    virtual ~MetricsServer() = default;

    // Where it listens, with the real port.
    [[nodiscard]] virtual const std::string& address() const = 0;
};

}  // namespace pinwarden
