// The API over TCP: who is let in, and what he may do there.
#include <grpc/grpc_security_constants.h>
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/client.h"
#include "publish/api_server.h"
#include "publish/certificate_access.h"
#include "support/api_methods.h"
#include "support/certificates.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr const char* kServerNames = "DNS:localhost,IP:127.0.0.1";
constexpr std::chrono::seconds kPatience{20};

void write(const std::string& path, const std::string& text)
{
    // As tools that renew certificates do: the new file takes the place of the old one.
    std::ofstream(path + ".new") << text;
    std::filesystem::permissions(path + ".new", std::filesystem::perms{0600});
    std::filesystem::rename(path + ".new", path);
}

// A daemon that serves TCP on any free port.
struct Served {
    explicit Served(const CertificateRoles& roles = {{"ops.example", Role::kOperator},
                                                     {"spiffe://example/dashboards", Role::kReader},
                                                     {"old-style", Role::kReader}})
    {
        pipeline.answer = snapshot_with({});
        replace_identity(authority.issue("pinwardend", kServerNames));
        write(files.client_ca, authority.certificate());
        server = ApiServer::start({.operators = {.path = folder.file("operator.sock")},
                                   .tls = TlsEndpoint{.address = "127.0.0.1:0",
                                                      .files = files,
                                                      .roles = roles,
                                                      .warn =
                                                          [this](const std::string& text) {
                                                              const std::scoped_lock lock(pipeline.mutex);
                                                              warnings.push_back(text);
                                                          }}},
                                  pipeline, fanout)
                     .value();
    }

    void replace_identity(const Identity& identity) const
    {
        write(files.certificate, identity.certificate);
        write(files.key, identity.key);
    }

    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(server->tls_port()); }

    // A connection of its own, of one who has that identity and trusts `trusted`, or the daemon's authority.
    [[nodiscard]] std::shared_ptr<grpc::Channel> channel(const std::optional<Identity>& identity,
                                                         const std::string& trusted = "") const
    {
        grpc::SslCredentialsOptions options{.pem_root_certs = trusted.empty() ? authority.certificate() : trusted,
                                            .pem_private_key = {},
                                            .pem_cert_chain = {}};
        if (identity) {
            options.pem_private_key = identity->key;
            options.pem_cert_chain = identity->certificate;
        }
        return with(grpc::SslCredentials(options));
    }
    [[nodiscard]] std::shared_ptr<grpc::Channel> with(
        const std::shared_ptr<grpc::ChannelCredentials>& credentials) const
    {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        return grpc::CreateCustomChannel(address(), credentials, arguments);
    }

    TemporaryFolder folder;
    Authority authority;
    TlsFiles files{.certificate = folder.file("daemon.pem"),
                   .key = folder.file("daemon.key"),
                   .client_ca = folder.file("clients.pem")};
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    std::vector<std::string> warnings;
    std::unique_ptr<ApiServer> server;
};

grpc::Status ask_status(const std::shared_ptr<grpc::Channel>& channel)
{
    v1::GetStatusResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    return v1::StatusService::NewStub(channel)->GetStatus(&context, {}, &response);
}

grpc::Status delete_policy(const std::shared_ptr<grpc::Channel>& channel)
{
    v1::DeletePolicyRequest request;
    request.set_name("keep");
    v1::DeletePolicyResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    return v1::PolicyService::NewStub(channel)->DeletePolicy(&context, request, &response);
}

// Of those, every one that the server has for everybody.
const std::vector<std::string>& foreign_methods()
{
    static const std::vector<std::string> methods{"/grpc.health.v1.Health/Check",
                                                  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                                  "/no.such.Service/Method"};
    return methods;
}

}  // namespace

TEST_CASE("over TLS every method is for those whose certificate has its role", "[grpc][tls]")
{
    const Served served;
    const auto operators = served.channel(served.authority.issue("x", "DNS:ops.example"));
    const auto readers = served.channel(served.authority.issue("x", "URI:spiffe://example/dashboards"));
    const auto strangers = served.channel(served.authority.issue("x", "DNS:else.example"));
    REQUIRE(all_methods().size() >= 15);
    for (const auto* const method : all_methods()) {
        INFO(method->full_name());
        const bool reads = method->options().GetExtension(v1::role) == v1::ROLE_READER;
        const grpc::Status by_operator = call(operators, *method, method->server_streaming());
        CHECK(by_operator.error_code() != grpc::StatusCode::PERMISSION_DENIED);
        CHECK(by_operator.error_code() != grpc::StatusCode::UNIMPLEMENTED);
        CHECK(by_operator.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED);
        CHECK(by_operator.error_code() != grpc::StatusCode::UNAVAILABLE);
        const grpc::Status by_reader = call(readers, *method, method->server_streaming() && reads);
        CHECK(by_reader.error_code() == (reads ? by_operator.error_code() : grpc::StatusCode::PERMISSION_DENIED));
        if (!reads) {
            CHECK(by_reader.error_message().find("--tls-operator") != std::string::npos);
            CHECK(by_reader.error_message().find("spiffe://example/dashboards") != std::string::npos);
        }
        const grpc::Status by_stranger = call(strangers, *method, false);
        CHECK(by_stranger.error_code() == grpc::StatusCode::PERMISSION_DENIED);
        CHECK(by_stranger.error_message().find("\"else.example\"") != std::string::npos);
    }
    for (const std::string& method : foreign_methods()) {
        INFO(method);
        CHECK(RawCall(readers, method, "").end().error_code() != grpc::StatusCode::PERMISSION_DENIED);
        CHECK(RawCall(strangers, method, "").end().error_code() == grpc::StatusCode::PERMISSION_DENIED);
    }
}

TEST_CASE("a role belongs to a DNS name or URI, and to a common name only where there is no other", "[grpc][tls]")
{
    const Served served;
    const auto outcome = [&](const std::string& common, const std::string& alternative) {
        return delete_policy(served.channel(served.authority.issue(common, alternative))).error_code();
    };
    constexpr auto kLetIn = grpc::StatusCode::NOT_FOUND;  // there is no such policy
    constexpr auto kDenied = grpc::StatusCode::PERMISSION_DENIED;
    CHECK(outcome("x", "DNS:ops.example") == kLetIn);
    CHECK(outcome("x", "DNS:a.example,DNS:ops.example,URI:spiffe://example/dashboards") == kLetIn);
    CHECK(outcome("ops.example", "") == kLetIn);
    CHECK(outcome("ops.example", "DNS:else.example") == kDenied);
    CHECK(outcome("ops.example", "IP:10.0.0.1") == kDenied);
    CHECK(outcome("x", "email:ops.example@example") == kDenied);
    CHECK(outcome("x", "DNS:*.example") == kDenied);
    CHECK(outcome("x", "DNS:ops.example.evil") == kDenied);
    CHECK(outcome("x", "DNS:OPS.EXAMPLE") == kDenied);
    CHECK(outcome("", "") == kDenied);
    CHECK(outcome("old-style", "") == kDenied);
    CHECK(ask_status(served.channel(served.authority.issue("old-style"))).ok());
}

TEST_CASE("who has no valid certificate of the clients' authority gets no connection", "[grpc][tls]")
{
    const Served served;
    const Authority other;  // of the same name
    const auto refused = [&](const std::shared_ptr<grpc::Channel>& channel) {
        return ask_status(channel).error_code() == grpc::StatusCode::UNAVAILABLE;
    };
    CHECK(refused(served.channel(std::nullopt)));
    CHECK(refused(served.channel(other.issue("x", "DNS:ops.example"))));
    CHECK(refused(served.channel(served.authority.issue("x", "DNS:ops.example", -1))));
    CHECK(refused(served.with(grpc::InsecureChannelCredentials())));
    // A client that trusts another authority does not believe the daemon.
    CHECK(refused(served.channel(served.authority.issue("x", "DNS:ops.example"), other.certificate())));
    CHECK(ask_status(served.channel(served.authority.issue("x", "DNS:ops.example"))).ok());
}

TEST_CASE("a call is judged by its method's role before a service sees it", "[grpc][tls]")
{
    const CertificateAccess access({{"reader", Role::kReader}, {"operator", Role::kOperator}});
    const auto may_call = [&](const std::string& name, const std::string& method) {
        const PeerProperties peer = [&](const char* property) {
            return std::string_view(property) == GRPC_X509_CN_PROPERTY_NAME ? std::vector{name}
                                                                            : std::vector<std::string>();
        };
        return access.may_call(peer, method).ok();
    };
    for (const auto* const method : all_methods()) {
        const std::string path = "/" + method->service()->full_name() + "/" + method->name();
        INFO(path);
        CHECK(may_call("operator", path));
        CHECK(may_call("reader", path) == (method->options().GetExtension(v1::role) == v1::ROLE_READER));
        CHECK_FALSE(may_call("stranger", path));
    }
    // Of a call whose method is not known the worst is thought.
    CHECK_FALSE(may_call("reader", ""));
    CHECK(may_call("reader", "/grpc.health.v1.Health/Check"));
    CHECK_FALSE(may_call("stranger", "/grpc.health.v1.Health/Check"));
}

TEST_CASE("what is changed over TLS is on record with the name in the certificate", "[grpc][tls]")
{
    Served served;
    served.pipeline.applied.emplace_back().name = "keep";
    REQUIRE(delete_policy(served.channel(served.authority.issue("x", "DNS:a.example,DNS:ops.example"))).ok());
    const std::scoped_lock lock(served.pipeline.mutex);
    REQUIRE(served.pipeline.requester);
    CHECK(served.pipeline.requester->certificate == "ops.example");
    CHECK(served.pipeline.requester->address.starts_with("127.0.0.1:"));
}

TEST_CASE("over TLS nobody is taken for a process of this machine", "[grpc][tls]")
{
    const Served served;
    v1::WatchEventsRequest request;
    request.set_own_pins(true);
    RawCall watch(served.channel(served.authority.issue("x", "DNS:ops.example")),
                  "/pinwarden.v1.PinService/WatchEvents", request.SerializeAsString());
    CHECK(watch.end().error_code() == grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_CASE("certificates that are renewed are used by the next connection, and bad ones are not", "[grpc][tls]")
{
    Served served;
    const Identity before = served.authority.issue("x", "DNS:ops.example");
    const auto lasting = served.channel(before);
    REQUIRE(ask_status(lasting).ok());

    SECTION("the daemon's own")
    {
        const Authority other("another authority");
        served.replace_identity(other.issue("pinwardend", kServerNames));
        CHECK(ask_status(served.channel(before, other.certificate())).ok());
        CHECK(ask_status(served.channel(before)).error_code() == grpc::StatusCode::UNAVAILABLE);
    }
    SECTION("the clients' authority")
    {
        const Authority other("another authority");
        write(served.files.client_ca, other.certificate());
        CHECK(ask_status(served.channel(other.issue("x", "DNS:ops.example"))).ok());
        CHECK(ask_status(served.channel(before)).error_code() == grpc::StatusCode::UNAVAILABLE);
    }
    SECTION("a key that is not the certificate's, until the certificate comes")
    {
        const Identity after = served.authority.issue("pinwardend", kServerNames);
        write(served.files.key, after.key);
        CHECK(ask_status(served.channel(before)).ok());
        CHECK(ask_status(served.channel(before)).ok());
        {
            const std::scoped_lock lock(served.pipeline.mutex);
            REQUIRE(served.warnings.size() == 1);
            CHECK(served.warnings.front().find(served.files.key) != std::string::npos);
            CHECK(served.warnings.front().find("stays in use") != std::string::npos);
        }
        write(served.files.certificate, after.certificate);
        CHECK(ask_status(served.channel(before)).ok());
    }
    SECTION("a file that is gone")
    {
        std::filesystem::remove(served.files.client_ca);
        CHECK(ask_status(served.channel(before)).ok());
        const std::scoped_lock lock(served.pipeline.mutex);
        REQUIRE(served.warnings.size() == 1);
        CHECK(served.warnings.front().find(served.files.client_ca) != std::string::npos);
    }
    // A connection that has begun stays.
    CHECK(ask_status(lasting).ok());
}

TEST_CASE("what TCP cannot be served with is told at the start, and nothing is served then", "[grpc][tls]")
{
    Served served;
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    const Identity fine = served.authority.issue("pinwardend", kServerNames);
    const auto complaint = [&](const TlsFiles& files, const std::string& address) {
        const std::string socket = served.folder.file("second.sock");
        const auto started = ApiServer::start(
            {.operators = {.path = socket}, .tls = TlsEndpoint{.address = address, .files = files, .roles = {}}},
            pipeline, fanout);
        REQUIRE_FALSE(started);
        CHECK(access(socket.c_str(), F_OK) != 0);
        return started.error().message;
    };
    const std::string any = "127.0.0.1:0";

    TlsFiles files = served.files;
    files.certificate = served.folder.file("none.pem");
    CHECK_THAT(complaint(files, any),
               Catch::Contains("none.pem") && Catch::Contains("--tls-certificate") && Catch::Contains("No such file"));
    files = served.files;
    files.client_ca = served.files.key;
    CHECK_THAT(complaint(files, any), Catch::Contains("--tls-client-ca") && Catch::Contains("no certificate"));
    files = served.files;
    files.key = served.files.certificate;
    CHECK_THAT(complaint(files, any), Catch::Contains("--tls-key") && Catch::Contains("no private key"));
    files.key = served.folder.file("other.key");
    write(files.key, fine.key);
    CHECK_THAT(complaint(files, any), Catch::Contains("other.key is not the key of the certificate"));
    files = served.files;
    std::filesystem::permissions(files.key, std::filesystem::perms{0644});
    CHECK_THAT(complaint(files, any), Catch::Contains("can be read by everybody"));
    std::filesystem::permissions(files.key, std::filesystem::perms{0640});
    CHECK_THAT(complaint(files, served.address()),
               Catch::Contains(served.address()) && Catch::Contains("--tls-address"));
    CHECK(ask_status(served.channel(served.authority.issue("x", "DNS:ops.example"))).ok());
}

TEST_CASE("pinctl speaks TLS, and says what is wrong where it cannot", "[grpc][tls]")
{
    Served served;
    const auto pinctl = [&](const Identity& identity, cli::Command command, const std::string& ca) {
        cli::TlsArguments tls{.address = served.address(),
                              .ca = served.folder.file("ca.pem"),
                              .certificate = served.folder.file("mine.pem"),
                              .key = served.folder.file("mine.key")};
        write(tls.ca, ca);
        write(tls.certificate, identity.certificate);
        write(tls.key, identity.key);
        std::istringstream in;
        std::ostringstream out;
        std::ostringstream err;
        const int code =
            cli::run({.socket = "", .tls = tls, .json = false, .command = std::move(command)}, {in, out, err}, {});
        return std::pair{code, code == 0 ? out.str() : err.str()};
    };
    const std::string ca = served.authority.certificate();
    const Identity reader = served.authority.issue("x", "URI:spiffe://example/dashboards");
    const auto [code, text] = pinctl(reader, cli::PolicyListCommand{}, ca);
    CHECK(code == 0);
    const auto denied = pinctl(reader, cli::PolicyDeleteCommand{.name = "keep"}, ca);
    CHECK(denied.first == 1);
    CHECK_THAT(denied.second, Catch::Contains("pinctl: this is for operators"));
    const auto stranger = pinctl(served.authority.issue("else"), cli::StatusCommand{}, ca);
    CHECK_THAT(stranger.second, Catch::Contains("no role belongs to this certificate") && Catch::Contains("\"else\""));
    const Authority other;
    for (const auto& refused :
         {pinctl(other.issue("ops.example"), cli::StatusCommand{}, ca),
          pinctl(served.authority.issue("ops.example"), cli::StatusCommand{}, other.certificate())}) {
        CHECK(refused.first == 1);
        CHECK_THAT(refused.second, Catch::Contains("cannot talk to pinwardend at " + served.address()) &&
                                       Catch::Contains("--tls-client-ca"));
    }
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    CHECK(cli::run(
              {.socket = "",
               .tls = {.address = served.address(), .ca = served.folder.file("none.pem"), .certificate = "", .key = ""},
               .json = false,
               .command = cli::StatusCommand{}},
              {in, out, err}, {}) == 1);
    CHECK_THAT(err.str(), Catch::Contains("none.pem"));
}
