// What refusals tell programs: google.rpc.Status in the trailers, over a real socket.
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/config.grpc.pb.h>
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "publish/api_server.h"
#include "support/api_methods.h"
#include "support/error_details.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

using google::rpc::BadRequest;
using google::rpc::ErrorInfo;
using google::rpc::PreconditionFailure;
using google::rpc::ResourceInfo;

struct Served {
    Served() { server = ApiServer::start(sockets, pipeline, fanout).value(); }

    [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const
    {
        return grpc::CreateChannel("unix:" + sockets.operators.path, grpc::InsecureChannelCredentials());
    }

    TemporaryFolder folder;
    ApiSockets sockets{.operators = {.path = folder.file("operator.sock")},
                       .readers = ApiSocket{.path = folder.file("reader.sock"), .group = getgid()}};
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    std::unique_ptr<ApiServer> server;
};

// One call, as a client makes it.
template <typename Service, typename Request, typename Response>
grpc::Status ask(const Served& served,
                 grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 const Request& request)
{
    const auto client = Service::NewStub(served.channel());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    Response response;
    return ((*client).*method)(&context, request, &response);
}

std::string violated(const grpc::Status& status)
{
    const auto request = detail_of<BadRequest>(status);
    return request.field_violations_size() == 1 ? request.field_violations(0).field() : "";
}

std::string described(const grpc::Status& status)
{
    const auto request = detail_of<BadRequest>(status);
    return request.field_violations_size() == 1 ? request.field_violations(0).description() : "";
}

grpc::Status list_pins(const Served& served, const std::function<void(v1::ListPinsRequest&)>& fill)
{
    v1::ListPinsRequest request;
    fill(request);
    return ask<v1::PinService>(served, &v1::PinService::Stub::ListPins, request);
}

grpc::Status apply(const Served& served, const std::function<void(v1::ApplyPolicyRequest&)>& fill)
{
    v1::ApplyPolicyRequest request;
    fill(request);
    return ask<v1::PolicyService>(served, &v1::PolicyService::Stub::ApplyPolicy, request);
}

v1::Policy sound_policy()
{
    v1::Policy policy;
    policy.set_name("keep");
    policy.set_mode(v1::MODE_ENFORCE);
    policy.mutable_match()->add_operations(v1::OPERATION_TRUNCATE);
    policy.mutable_action()->mutable_deny();
    return policy;
}

}  // namespace

TEST_CASE("a request that is at fault is told which field is, and what is wrong with it", "[grpc][details]")
{
    const Served served;
    const auto inode = list_pins(served, [](auto& request) {
        request.mutable_filter()->add_inodes("8:1/3");
        request.mutable_filter()->add_inodes("nonsense");
    });
    CHECK(inode.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(violated(inode) == "filter.inodes[1]");
    CHECK(inode.error_message() == "filter.inodes[1]: " + described(inode));
    CHECK(detail_of<ErrorInfo>(inode).reason() == "INVALID_REQUEST");
    CHECK(detail_of<ErrorInfo>(inode).domain() == "pinwarden");
    CHECK(details_of(inode).code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(details_of(inode).message() == inode.error_message());

    CHECK(violated(list_pins(served, [](auto& request) {
              request.mutable_filter()->mutable_min_age()->set_seconds(-1);
          })) == "filter.min_age");
    CHECK(violated(list_pins(served, [](auto& request) { request.set_page_token("x"); })) == "page_token");
    CHECK(violated(ask<v1::PinService>(served, &v1::PinService::Stub::GroupPins, v1::GroupPinsRequest())) == "by");
    CHECK(violated(ask<v1::HoldService>(served, &v1::HoldService::Stub::ReleaseHold, v1::ReleaseHoldRequest())) ==
          "id");
    CHECK(violated(ask<v1::PolicyService>(served, &v1::PolicyService::Stub::DeletePolicy, v1::DeletePolicyRequest())) ==
          "name");
    v1::SetPolicyModeRequest mode;
    mode.set_name("keep");
    CHECK(violated(ask<v1::PolicyService>(served, &v1::PolicyService::Stub::SetPolicyMode, mode)) == "mode");
    v1::TestPoliciesRequest test;
    test.set_path("/mnt/x");
    test.set_operation("truncate");
    CHECK(violated(ask<v1::PolicyService>(served, &v1::PolicyService::Stub::TestPolicies, test)) == "operation");
}

TEST_CASE("of a policy it is the field within the request, in whichever form it came", "[grpc][details]")
{
    const Served served;
    const auto second = [&](const std::function<void(v1::Policy&)>& spoil) {
        return violated(apply(served, [&](auto& request) {
            *request.add_policies() = sound_policy();
            *request.add_policies() = sound_policy();
            request.mutable_policies(1)->set_name("other");
            spoil(*request.mutable_policies(1));
        }));
    };
    CHECK(second([](auto& policy) { policy.clear_mode(); }) == "policies[1].mode");
    CHECK(second([](auto& policy) { policy.mutable_match()->add_operations(v1::OPERATION_UNSPECIFIED); }) ==
          "policies[1].match.operations[1]");
    CHECK(second([](auto& policy) { policy.mutable_match()->mutable_file()->add_path_prefixes("mnt"); }) ==
          "policies[1].match.file.path_prefixes[0]");
    CHECK(second([](auto& policy) { policy.mutable_action()->mutable_deny()->set_error("ENONSENSE"); }) ==
          "policies[1].action.deny.errno");
    CHECK(second([](auto& policy) { policy.set_name(""); }) == "policies[1].name");
    CHECK(second([](auto& /*policy*/) {}).empty());

    const auto text = apply(served, [](auto& request) {
        request.add_texts()->set_yaml("name: keep\nmode: off\nmatch: {operations: [truncate]}\naction: {deny: {}}\n");
        request.add_texts()->set_yaml("name: keep\nmode: enforcing\n");
    });
    CHECK(violated(text) == "texts[1].yaml");
    CHECK_THAT(described(text), Catch::Contains(":2:"));
    CHECK(violated(apply(served, [](auto& /*request*/) {})) == "policies");
}

TEST_CASE("what is not there is named by its kind and the name it was asked for by", "[grpc][details]")
{
    const Served served;
    v1::GetPinRequest pin;
    pin.set_id(7);
    v1::ReleaseHoldRequest hold;
    hold.set_id(8);
    hold.set_outcome(v1::OUTCOME_DENY);
    v1::DeletePolicyRequest policy;
    policy.set_name("keep");
    v1::AcknowledgeRevocationRequest revocation;
    revocation.set_id(9);
    revocation.set_intent(v1::REVOCATION_INTENT_CANNOT);
    struct Row {
        grpc::Status status;
        std::string reason;
        std::string type;
        std::string name;
    };
    const Row rows[] = {
        {ask<v1::PinService>(served, &v1::PinService::Stub::GetPin, pin), "PIN_NOT_FOUND", "pin", "7"},
        {ask<v1::HoldService>(served, &v1::HoldService::Stub::ReleaseHold, hold), "HOLD_NOT_FOUND", "hold", "8"},
        {ask<v1::PolicyService>(served, &v1::PolicyService::Stub::DeletePolicy, policy), "POLICY_NOT_FOUND", "policy",
         "keep"},
        {ask<v1::PinService>(served, &v1::PinService::Stub::AcknowledgeRevocation, revocation), "REVOCATION_NOT_FOUND",
         "revocation", "9"},
    };
    for (const Row& row : rows) {
        INFO(row.reason);
        CHECK(row.status.error_code() == grpc::StatusCode::NOT_FOUND);
        CHECK(detail_of<ErrorInfo>(row.status).reason() == row.reason);
        CHECK(detail_of<ResourceInfo>(row.status).resource_type() == row.type);
        CHECK(detail_of<ResourceInfo>(row.status).resource_name() == row.name);
        CHECK(detail_of<ResourceInfo>(row.status).description() == row.status.error_message());
    }
}

TEST_CASE("what the daemon cannot do as it is tells the condition that does not hold", "[grpc][details]")
{
    const Served served;
    const auto conflicts =
        ask<v1::ConflictService>(served, &v1::ConflictService::Stub::ListConflicts, v1::ListConflictsRequest());
    CHECK(conflicts.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    const auto failure = detail_of<PreconditionFailure>(conflicts);
    REQUIRE(failure.violations_size() == 1);
    CHECK(failure.violations(0).type() == "NOT_SERVED");
    CHECK(failure.violations(0).subject() == "conflicts");
    CHECK(failure.violations(0).description() == conflicts.error_message());

    // The pipeline's view says that memory was not walked.
    const auto census = ask<v1::AuditService>(served, &v1::AuditService::Stub::RunCensus, v1::RunCensusRequest());
    CHECK(census.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    CHECK(detail_of<ErrorInfo>(census).reason() == "NO_MEMORY_MAP");
}

TEST_CASE("who may not ask is told so for programs, too, and where to ask", "[grpc][details]")
{
    const Served served;
    const auto readers =
        grpc::CreateChannel("unix:" + served.sockets.readers->path, grpc::InsecureChannelCredentials());
    for (const auto* const method : all_methods()) {
        const grpc::Status status = call(readers, *method, method->server_streaming());
        if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) {
            INFO(method->full_name());
            const auto info = detail_of<ErrorInfo>(status);
            CHECK(info.reason() == "OPERATORS_ONLY");
            CHECK(info.metadata().at("socket") == served.sockets.operators.path);
        }
    }
}

TEST_CASE("every refusal of every method has details", "[grpc][details]")
{
    Served served;
    served.pipeline.fails = Error{"what went wrong", GENERATE(EINVAL, ENOENT, ETIMEDOUT, ESHUTDOWN, EUSERS, EIO)};
    int refused = 0;
    for (const auto* const method : all_methods()) {
        const grpc::Status status = call(served.channel(), *method, method->server_streaming());
        if (!status.ok() && status.error_code() != grpc::StatusCode::CANCELLED) {
            INFO(method->full_name() << ": " << status.error_message());
            ++refused;
            CHECK(details_of(status).code() == status.error_code());
            CHECK_FALSE(detail_of<ErrorInfo>(status).reason().empty());
        }
    }
    CHECK(refused >= 15);
}

TEST_CASE("a long or broken message is cut to what a client takes", "[grpc][details]")
{
    Served served;
    std::string letters;
    for (int i = 0; i < 20'000; ++i) {
        letters += "\xc3\xa4";
    }
    served.pipeline.fails = Error{"\xff" + letters, EINVAL, "filter." + letters};
    const auto status = list_pins(served, [](auto& /*request*/) {});
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK_THAT(status.error_message(), Catch::StartsWith("\xef\xbf\xbd\xc3\xa4") && Catch::EndsWith("\xc3\xa4..."));
    CHECK_THAT(violated(status), Catch::StartsWith("filter.\xc3\xa4") && Catch::EndsWith("..."));
    CHECK_THAT(described(status), Catch::EndsWith("\xc3\xa4..."));
}

TEST_CASE("policies are changed only in the generation that was asked for", "[grpc][details]")
{
    Served served;
    served.pipeline.answer.policy_generation = 5;
    v1::ApplyPolicyRequest request;
    *request.add_policies() = sound_policy();
    request.set_if_generation(4);
    v1::DeletePolicyRequest remove;
    remove.set_name("keep");
    remove.set_if_generation(4);
    v1::SetPolicyModeRequest mode;
    mode.set_name("keep");
    mode.set_mode(v1::MODE_OFF);
    mode.set_if_generation(4);
    for (const grpc::Status& status : {ask<v1::PolicyService>(served, &v1::PolicyService::Stub::ApplyPolicy, request),
                                       ask<v1::PolicyService>(served, &v1::PolicyService::Stub::DeletePolicy, remove),
                                       ask<v1::PolicyService>(served, &v1::PolicyService::Stub::SetPolicyMode, mode)}) {
        CHECK(status.error_code() == grpc::StatusCode::ABORTED);
        CHECK(detail_of<ErrorInfo>(status).reason() == "GENERATION_CHANGED");
        const auto failure = detail_of<PreconditionFailure>(status);
        REQUIRE(failure.violations_size() == 1);
        CHECK(failure.violations(0).subject() == "if_generation");
    }
    CHECK(served.pipeline.applied.empty());

    // 0 is a generation as well, and not the same as none.
    request.set_if_generation(0);
    CHECK(ask<v1::PolicyService>(served, &v1::PolicyService::Stub::ApplyPolicy, request).error_code() ==
          grpc::StatusCode::ABORTED);
    request.set_if_generation(5);
    CHECK(ask<v1::PolicyService>(served, &v1::PolicyService::Stub::ApplyPolicy, request).ok());
    CHECK(served.pipeline.applied.size() == 1);
}

TEST_CASE("an owner's answer to a revocation comes with the process that connected", "[grpc][details]")
{
    Served served;
    served.pipeline.revocations[3];
    v1::AcknowledgeRevocationRequest request;
    const auto acknowledge = [&] {
        return ask<v1::PinService>(served, &v1::PinService::Stub::AcknowledgeRevocation, request);
    };
    CHECK(violated(acknowledge()) == "id");
    request.set_id(3);
    CHECK(violated(acknowledge()) == "intent");
    CHECK_FALSE(served.pipeline.requester);
    request.set_intent(v1::REVOCATION_INTENT_LETTING_GO);
    CHECK(acknowledge().ok());
    CHECK(served.pipeline.revocations[3] == RevocationIntent::kLettingGo);
    REQUIRE(served.pipeline.requester);
    CHECK(served.pipeline.requester->pid == static_cast<std::uint32_t>(getpid()));
    CHECK(served.pipeline.requester->uid == getuid());

    served.pipeline.fails = Error{"process 1 is none of those", EPERM};
    const auto status = acknowledge();
    CHECK(status.error_code() == grpc::StatusCode::PERMISSION_DENIED);
    CHECK(detail_of<ErrorInfo>(status).reason() == "NOT_AN_OWNER");
}
