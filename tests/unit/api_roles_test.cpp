// Every method of the API, called over the socket of each role.
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/config.pb.h>
#include <pinwarden/v1/conflicts.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "act/audit_log.h"
#include "publish/api_server.h"
#include "support/api_methods.h"
#include "support/publish_fixtures.h"
#include "support/raw_call.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::chrono::seconds kPatience{20};

// What becomes of a call with an empty request. `endless`: ended by us when it was let in.
grpc::Status call(const std::string& socket, const google::protobuf::MethodDescriptor& method, bool endless)
{
    return test::call(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()), method, endless);
}

mode_t mode_of(const std::string& path)
{
    struct stat status{};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    return status.st_mode & 0777U;
}

struct BothSockets {
    BothSockets()
    {
        pipeline.answer = snapshot_with({});
        server = ApiServer::start(sockets, pipeline, fanout).value();
    }

    TemporaryFolder folder;
    ApiSockets sockets{.operators = {.path = folder.file("operator.sock")},
                       .readers = ApiSocket{.path = folder.file("reader.sock"), .group = getgid()}};
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    std::unique_ptr<ApiServer> server;
};

}  // namespace

TEST_CASE("every method says which role may call it, and no other may", "[grpc]")
{
    BothSockets both;
    REQUIRE(all_methods().size() >= 16);
    for (const auto* const method : all_methods()) {
        INFO(method->full_name());
        const v1::Role role = method->options().GetExtension(v1::role);
        CHECK(role != v1::ROLE_UNSPECIFIED);
        const grpc::Status by_operator = call(both.sockets.operators.path, *method, method->server_streaming());
        CHECK(by_operator.error_code() != grpc::StatusCode::PERMISSION_DENIED);
        CHECK(by_operator.error_code() != grpc::StatusCode::UNIMPLEMENTED);
        CHECK(by_operator.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED);
        const grpc::Status by_reader =
            call(both.sockets.readers->path, *method, method->server_streaming() && role == v1::ROLE_READER);
        if (role == v1::ROLE_READER) {
            CHECK(by_reader.error_code() == by_operator.error_code());
        } else {
            CHECK(by_reader.error_code() == grpc::StatusCode::PERMISSION_DENIED);
            CHECK(by_reader.error_message().find(both.sockets.operators.path) != std::string::npos);
        }
    }
}

TEST_CASE("what only operators may do does not reach the pipeline over the socket for readers", "[grpc]")
{
    BothSockets both;
    const auto policies = v1::PolicyService::NewStub(
        grpc::CreateChannel("unix:" + both.sockets.readers->path, grpc::InsecureChannelCredentials()));
    v1::DeletePolicyRequest request;
    request.set_name("keep");
    v1::DeletePolicyResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    CHECK(policies->DeletePolicy(&context, request, &response).error_code() == grpc::StatusCode::PERMISSION_DENIED);
    const std::scoped_lock lock(both.pipeline.mutex);
    CHECK_FALSE(both.pipeline.requester);
}

TEST_CASE("a socket is for its group only where there is one", "[grpc]")
{
    BothSockets both;
    CHECK(mode_of(both.sockets.operators.path) == 0600);
    CHECK(mode_of(both.sockets.readers->path) == 0660);
    both.server.reset();
    CHECK(access(both.sockets.operators.path.c_str(), F_OK) != 0);
    CHECK(access(both.sockets.readers->path.c_str(), F_OK) != 0);
}

TEST_CASE("when one socket cannot be served, neither is", "[grpc]")
{
    BothSockets both;
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    const std::string other = both.folder.file("other.sock");
    const auto refused = ApiServer::start({.operators = {other}, .readers = both.sockets.readers}, pipeline, fanout);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(both.sockets.readers->path) != std::string::npos);
    CHECK(access(other.c_str(), F_OK) != 0);
    CHECK(access(both.sockets.readers->path.c_str(), F_OK) == 0);
}

TEST_CASE("who has no protos gets them by reflection", "[grpc]")
{
    BothSockets both;
    // ServerReflectionRequest{list_services: "*"}: field 7, a string of one byte.
    RawCall reflection(both.sockets.readers->path, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                       "\x3a\x01*");
    const auto answer = reflection.next();
    REQUIRE(answer);
    for (const char* const service : {"pinwarden.v1.PinService", "pinwarden.v1.PolicyService"}) {
        CHECK(answer->find(service) != std::string::npos);
    }
}
