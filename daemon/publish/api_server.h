// The gRPC services of pinwarden.v1: on Unix sockets, one for each role, and, where it is wanted, on TCP with TLS.
#pragma once

#include <memory>

#include "base/result.h"
#include "publish/connection_gate.h"
#include "publish/fanout.h"
#include "publish/role.h"
#include "publish/snapshot.h"
#include "publish/unary_limits.h"

namespace grpc {
class Channel;
}

namespace pinwarden {

struct AuditLogSource;
class Access;
class Clock;
class ConfigSource;
class ConflictHistory;
class RecordingSource;

// What else there is to be asked for. nullptr: there is no such thing here, and whoever asks is told so.
struct ApiSources {
    const AuditLogSource* audit_log = nullptr;
    const ConflictHistory* conflicts = nullptr;
    const ConfigSource* config = nullptr;
    RecordingSource* recordings = nullptr;
    const Clock* clock = nullptr;  // of the conflicts; nullptr: this machine's
};

// What those who harm, or only hang, may take of it, for each door.
struct ApiLimits {
    ConnectionLimits connections = {};        // of Unix sockets
    std::chrono::milliseconds idle{300'000};  // a connection without calls is ended after it; clients make another
    std::size_t received_bytes = 32U << 20U;  // of requests that are not complete yet, roughly
    UnaryLimits calls = {};
    std::size_t subscribers = 64;  // to events; fewer than there are for all doors, so that no door takes them all
};

class ApiServer {
public:
    // Serves on Unix sockets that their group may use as well; missing parent folders are created with mode 0755.
    // A socket nobody listens on is replaced; one that somebody serves is an error, and is left alone.
    // All doors are open, or none. What it is given must outlive the server.
    static Result<std::unique_ptr<ApiServer>> start(const ApiSockets& sockets, Pipeline& pipeline, Fanout& fanout,
                                                    const ApiSources& sources = {}, const ApiLimits& limits = {});
    // For this process only: channel() is the way there. `access` says what may be done.
    static Result<std::unique_ptr<ApiServer>> start_within(std::shared_ptr<const Access> access, Pipeline& pipeline,
                                                           Fanout& fanout, const ApiSources& sources = {});
    ApiServer() = default;
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;
    // Ends open streams, waits for running calls, removes the sockets.
    virtual ~ApiServer() = default;

    // From this process to the first of its doors; must not outlive the server.
    [[nodiscard]] virtual std::shared_ptr<grpc::Channel> channel() const = 0;
    // The TCP port that is served, also where any free one was asked for; 0: none is.
    [[nodiscard]] virtual int tls_port() const { return 0; }
};

}  // namespace pinwarden
