// The gRPC services of pinwarden.v1: on Unix sockets, one for each role, and, where it is wanted, on TCP with TLS.
#pragma once

#include <memory>

#include "base/result.h"
#include "publish/fanout.h"
#include "publish/role.h"
#include "publish/snapshot.h"

namespace pinwarden {

struct AuditLogSource;
class ConfigSource;
class ConflictHistory;

class ApiServer {
public:
    // Serves on Unix sockets that their group may use as well; missing parent folders are created with mode 0755.
    // A socket nobody listens on is replaced; one that somebody serves is an error, and is left alone.
    // All doors are open, or none. What it is given must outlive the server; nullptr: there is no audit log, no
    // conflict is remembered, nothing is to be told of a configuration.
    static Result<std::unique_ptr<ApiServer>> start(const ApiSockets& sockets, Pipeline& pipeline, Fanout& fanout,
                                                    const AuditLogSource* audit_log = nullptr,
                                                    const ConflictHistory* conflicts = nullptr,
                                                    const ConfigSource* config = nullptr);
    ApiServer() = default;
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;
    // Ends open streams, waits for running calls, removes the sockets.
    virtual ~ApiServer() = default;

    // The TCP port that is served, also where any free one was asked for; 0: none is.
    [[nodiscard]] virtual int tls_port() const { return 0; }
};

}  // namespace pinwarden
