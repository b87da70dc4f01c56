#include "publish/api_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "publish/access.h"
#include "publish/audit_log_service.h"
#include "publish/audit_service.h"
#include "publish/certificate_access.h"
#include "publish/config_service.h"
#include "publish/conflict_service.h"
#include "publish/convert.h"
#include "publish/event_stream.h"
#include "publish/health.h"
#include "publish/hold_service.h"
#include "publish/peer.h"
#include "publish/pin_service.h"
#include "publish/policy_service.h"
#include "publish/recording_service.h"
#include "publish/status_service.h"
#include "publish/tls_credentials.h"
#include "publish/tls_files.h"
#include "publish/unary_calls.h"
#include "publish/unix_listener.h"

namespace pinwarden {
namespace {

constexpr int kMaxRequestBytes = 4 << 20;
constexpr int kMaxStreamsPerConnection = 64;
// For streams that are written by gRPC's threads: audits, their log, recordings, reflection. Each keeps one.
constexpr int kMaxThreads = 32;
constexpr std::chrono::seconds kShutdownPatience{1};
constexpr int kHandshakeMilliseconds = 10'000;
constexpr int kKeepaliveMilliseconds = 60'000;

// Where a server gets its connections, and what callers may do.
struct Door {
    std::shared_ptr<const Access> access;
    std::unique_ptr<Peers> peers = std::make_unique<Peers>();  // of connections that are given to it
    std::unique_ptr<UnixListener> listener = {};               // nullptr: it listens by itself
    std::string address = {};                                  // where it does
    std::shared_ptr<grpc::ServerCredentials> credentials = {};
};

Result<Door> open_socket(Role role, const ApiSocket& socket, const std::string& operators_socket)
{
    auto listener = UnixListener::listen(socket.path, socket.group);
    if (!listener) {
        return std::unexpected(listener.error());
    }
    Door door{.access = {}, .listener = std::move(*listener)};
    door.access = std::make_shared<SocketAccess>(role, *door.peers, operators_socket);
    return door;
}

Result<Door> open_tls(const TlsEndpoint& endpoint)
{
    // For a message at the start, before there is a connection that would read them.
    if (const auto usable = load_tls(endpoint.files); !usable) {
        return std::unexpected(usable.error().within("serve the API on " + endpoint.address));
    }
    const auto access = std::make_shared<CertificateAccess>(endpoint.roles);
    return Door{.access = access,
                .address = endpoint.address,
                .credentials = tls_credentials(std::make_shared<TlsReloader>(endpoint.files, endpoint.warn), access)};
}

// A server of its own for each door: what a connection may do cannot be mistaken, whatever number its descriptor has.
class RoleServer {
public:
    RoleServer(Door door, Pipeline& pipeline, Fanout& fanout, const ApiSources& sources, const ApiLimits& limits)
        : door_(std::move(door)),
          limits_(limits),
          calls_(limits.calls),
          streams_(fanout, limits.subscribers),
          status_service_(calls_, pipeline),
          pin_service_(calls_, pipeline, streams_, *door_.peers),
          policy_service_(calls_, pipeline, *door_.access),
          hold_service_(calls_, pipeline, *door_.access),
          audit_service_(pipeline, *door_.access),
          audit_log_service_(sources.audit_log, *door_.access),
          conflict_service_(calls_, sources.conflicts, sources.clock),
          config_service_(calls_, sources.config),
          recording_service_(sources.recordings, pipeline, *door_.access)
    {
    }
    RoleServer(const RoleServer&) = delete;
    RoleServer& operator=(const RoleServer&) = delete;

    ~RoleServer()
    {
        if (door_.listener) {
            door_.listener->stop();
        }
        streams_.stop();
        audit_log_service_.stop();
        recording_service_.stop();
        if (server_) {
            // After the deadline what still runs is cancelled: a subscriber that does not read cannot hold this up.
            server_->Shutdown(std::chrono::system_clock::now() + kShutdownPatience);
            server_->Wait();
        }
        // Before the server, so that the socket is gone when it is.
        door_.listener.reset();
    }

    Result<void> serve()
    {
        // Whoever has no copy of the protos can ask for them.
        grpc::reflection::InitProtoReflectionServerBuilderPlugin();
        grpc::EnableDefaultHealthCheckService(true);
        grpc::ServerBuilder builder;
        builder.RegisterService(&status_service_);
        builder.RegisterService(&pin_service_);
        builder.RegisterService(&policy_service_);
        builder.RegisterService(&hold_service_);
        builder.RegisterService(&audit_service_);
        builder.RegisterService(&audit_log_service_);
        builder.RegisterService(&conflict_service_);
        builder.RegisterService(&config_service_);
        builder.RegisterService(&recording_service_);
        builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
        builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
        builder.SetResourceQuota(grpc::ResourceQuota("api").SetMaxThreads(kMaxThreads).Resize(limits_.received_bytes));
        builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(limits_.idle.count()));
        builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
        builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
        if (door_.credentials) {
            listen_by_itself(builder);
        }
        server_ = builder.BuildAndStart();
        if (!server_ && door_.credentials) {
            return fail("cannot serve the API on " + door_.address +
                            ": somebody listens there, or it is no address of this machine; gRPC's message above tells "
                            "which; choose another with --tls-address",
                        EADDRINUSE);
        }
        if (!server_) {
            return fail("start the gRPC server: gRPC refused, see its messages above");
        }
        return {};
    }

    // Of this process. An answer may be of any size.
    [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const
    {
        grpc::ChannelArguments arguments;
        arguments.SetMaxReceiveMessageSize(-1);
        return server_->InProcessChannel(arguments);
    }

    // 0: it does not listen by itself.
    [[nodiscard]] int port() const { return port_; }

    [[nodiscard]] grpc::HealthCheckServiceInterface* health() const { return server_->GetHealthCheckService(); }

    // Once the health is known.
    void accept()
    {
        if (!door_.listener) {
            return;
        }
        // Our own listener, because gRPC's would take a socket away from a live server and open it to everybody first.
        door_.listener->start(
            [this](int fd) {
                door_.peers->accepted(fd);
                grpc::AddInsecureChannelFromFd(server_.get(), fd);
            },
            limits_.connections);
    }

private:
    void listen_by_itself(grpc::ServerBuilder& builder)
    {
        builder.AddListeningPort(door_.address, door_.credentials, &port_);
        // Else gRPC would share the port with whoever listens there already.
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
        // Whoever connects and says nothing, or vanishes, is not waited for.
        builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMilliseconds);
        builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
    }

    // In this order, so that what a call may use goes after the server.
    Door door_;
    const ApiLimits limits_;
    UnaryCalls calls_;
    EventStreams streams_;
    StatusService status_service_;
    PinService pin_service_;
    PolicyService policy_service_;
    HoldService hold_service_;
    AuditService audit_service_;
    AuditLogService audit_log_service_;
    ConflictService conflict_service_;
    ConfigService config_service_;
    RecordingService recording_service_;
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

class SeveralServers final : public ApiServer {
public:
    SeveralServers(Pipeline& pipeline, std::vector<std::unique_ptr<RoleServer>> servers)
        : servers_(std::move(servers)), health_(pipeline, health_services())
    {
        for (const auto& server : servers_) {
            server->accept();
        }
    }

    [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const override { return servers_.front()->channel(); }

    [[nodiscard]] int tls_port() const override
    {
        int port = 0;
        for (const auto& server : servers_) {
            port = std::max(port, server->port());
        }
        return port;
    }

private:
    [[nodiscard]] std::vector<grpc::HealthCheckServiceInterface*> health_services() const
    {
        std::vector<grpc::HealthCheckServiceInterface*> services;
        services.reserve(servers_.size());
        for (const auto& server : servers_) {
            services.push_back(server->health());
        }
        return services;
    }

    std::vector<std::unique_ptr<RoleServer>> servers_;
    HealthReporter health_;
};

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(const ApiSockets& sockets, Pipeline& pipeline, Fanout& fanout,
                                                    const ApiSources& sources, const ApiLimits& limits)
{
    std::vector<std::unique_ptr<RoleServer>> servers;
    const auto serve = [&](Result<Door> door) -> Result<void> {
        if (!door) {
            return std::unexpected(door.error());
        }
        servers.push_back(std::make_unique<RoleServer>(std::move(*door), pipeline, fanout, sources, limits));
        return servers.back()->serve();
    };
    const std::string& for_operators = sockets.operators.path;
    auto served = serve(open_socket(Role::kOperator, sockets.operators, for_operators));
    if (served && sockets.readers) {
        served = serve(open_socket(Role::kReader, *sockets.readers, for_operators));
    }
    if (served && sockets.tls) {
        served = serve(open_tls(*sockets.tls));
    }
    if (!served) {
        return std::unexpected(served.error());
    }
    return std::make_unique<SeveralServers>(pipeline, std::move(servers));
}

Result<std::unique_ptr<ApiServer>> ApiServer::start_within(std::shared_ptr<const Access> access, Pipeline& pipeline,
                                                           Fanout& fanout, const ApiSources& sources)
{
    std::vector<std::unique_ptr<RoleServer>> servers;
    servers.push_back(
        std::make_unique<RoleServer>(Door{.access = std::move(access)}, pipeline, fanout, sources, ApiLimits()));
    if (auto served = servers.back()->serve(); !served) {
        return std::unexpected(served.error());
    }
    return std::make_unique<SeveralServers>(pipeline, std::move(servers));
}

}  // namespace pinwarden
