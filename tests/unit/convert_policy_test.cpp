#include "publish/convert.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

v1::ApplyPolicyRequest request_with_policy()
{
    v1::ApplyPolicyRequest request;
    v1::Policy& policy = *request.add_policies();
    policy.set_name("keep");
    policy.set_mode(v1::MODE_ENFORCE);
    policy.mutable_match()->add_operations(v1::OPERATION_TRUNCATE);
    policy.mutable_match()->mutable_file()->add_path_prefixes("/mnt//data/");
    policy.mutable_match()->mutable_pin()->mutable_min_age()->set_seconds(5);
    policy.mutable_match()->mutable_owner()->add_uids(1000);
    policy.mutable_action()->mutable_deny();
    return request;
}

}  // namespace

TEST_CASE("a policy message becomes a policy, and comes back")
{
    const auto policies = policies_from_request(request_with_policy());

    REQUIRE(policies);
    REQUIRE(policies->size() == 1);
    const Policy& policy = policies->front();
    CHECK(policy.mode == Mode::kEnforce);
    CHECK(policy.operations == std::vector{Operation::kTruncate});
    CHECK(policy.file.path_prefixes == std::vector<std::string>{"/mnt/data"});
    CHECK(policy.pin.min_age == 5 * kSecond);
    CHECK(policy.deny_errno == EBUSY);
    CHECK(policy.unresolved == Unresolved::kDeny);
    CHECK(policy.source == "grpc");

    v1::ApplyPolicyRequest again;
    *again.add_policies() = policy_to_proto(policy);
    CHECK(policies_from_request(again).value() == *policies);
}

TEST_CASE("a policy message that holds becomes a policy, and comes back")
{
    v1::ApplyPolicyRequest request = request_with_policy();
    v1::Policy& message = *request.mutable_policies(0);
    v1::Hold& hold = *message.mutable_action()->mutable_hold();
    SECTION("with its defaults")
    {
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold == Hold{});
        CHECK(policy.deny_errno == EBUSY);
        CHECK(policy.when_unattended == Unattended::kRelease);

        const v1::Policy shown = policy_to_proto(policy);
        CHECK(shown.action().hold().timeout().seconds() == 10);
        CHECK(shown.action().hold().on_timeout() == v1::OUTCOME_DENY);
        CHECK(shown.action().hold().fallback() == v1::OUTCOME_DENY);
        CHECK(shown.action().hold().error() == "EBUSY");
        CHECK_FALSE(shown.action().has_deny());
        CHECK(shown.when_unattended() == v1::WHEN_UNATTENDED_RELEASE);
    }
    SECTION("with everything given")
    {
        hold.mutable_timeout()->set_nanos(100'000'000);
        hold.set_on_timeout(v1::OUTCOME_ALLOW);
        hold.set_fallback(v1::OUTCOME_ALLOW);
        hold.set_error("EAGAIN");
        message.set_unresolved(v1::UNRESOLVED_HOLD);
        message.set_when_unattended(v1::WHEN_UNATTENDED_KEEP);

        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold == Hold{.timeout = kSecond / 10, .on_timeout = Outcome::kAllow, .fallback = Outcome::kAllow});
        CHECK(policy.deny_errno == EAGAIN);
        CHECK(policy.unresolved == Unresolved::kHold);
        CHECK(policy.when_unattended == Unattended::kKeep);

        v1::ApplyPolicyRequest again;
        *again.add_policies() = policy_to_proto(policy);
        CHECK(policies_from_request(again).value().front() == policy);
    }
}

TEST_CASE("a policy message that revokes becomes a policy, and comes back")
{
    v1::ApplyPolicyRequest request = request_with_policy();
    v1::Hold& hold = *request.mutable_policies(0)->mutable_action()->mutable_hold();
    v1::Revoke& revoke = *hold.mutable_revoke();
    SECTION("with its defaults")
    {
        revoke.set_notify("SIGUSR1");
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold->revoke == Revoke{.notify = SIGUSR1, .grace = 5 * kSecond, .then = {}});

        const v1::Revoke shown = policy_to_proto(policy).action().hold().revoke();
        CHECK(shown.notify() == "SIGUSR1");
        CHECK(shown.grace().seconds() == 5);
        CHECK(shown.then().empty());
    }
    SECTION("with everything given")
    {
        hold.mutable_timeout()->set_seconds(30);
        revoke.set_notify("SIGRTMIN+1");
        revoke.mutable_grace()->set_nanos(100'000'000);
        for (const char* entry : {"SIGTERM", "5s", "SIGKILL"}) {
            revoke.add_then(entry);
        }
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold->revoke == Revoke{.notify = SIGRTMIN + 1,
                                            .grace = kSecond / 10,
                                            .then = {{.signal = SIGTERM, .wait = 5 * kSecond}, {.signal = SIGKILL}}});

        v1::ApplyPolicyRequest again;
        *again.add_policies() = policy_to_proto(policy);
        CHECK(policies_from_request(again).value().front() == policy);
    }
    SECTION("without asking")
    {
        revoke.mutable_grace();
        revoke.add_then("SIGKILL");
        const Policy policy = policies_from_request(request).value().front();
        CHECK(policy.hold->revoke == Revoke{.notify = std::nullopt, .grace = 0, .then = {{.signal = SIGKILL}}});
        CHECK(policy_to_proto(policy).action().hold().revoke().notify().empty());
    }
}

TEST_CASE("what is wrong with a policy message is said with its field")
{
    v1::ApplyPolicyRequest request = request_with_policy();
    v1::Policy& policy = *request.mutable_policies(0);
    std::string field;
    SECTION("no mode")
    {
        policy.clear_mode();
        field = "mode";
    }
    SECTION("unknown mode")
    {
        policy.set_mode(static_cast<v1::Mode>(77));
        field = "mode";
    }
    SECTION("unspecified operation")
    {
        policy.mutable_match()->add_operations(v1::OPERATION_UNSPECIFIED);
        field = "match.operations[1]";
    }
    SECTION("no operation")
    {
        policy.mutable_match()->clear_operations();
        field = "match.operations";
    }
    SECTION("relative path")
    {
        policy.mutable_match()->mutable_file()->set_path_prefixes(0, "mnt");
        field = "match.file.path_prefixes[0]";
    }
    SECTION("negative age")
    {
        policy.mutable_match()->mutable_pin()->mutable_min_age()->set_seconds(-1);
        field = "match.pin.min_age";
    }
    SECTION("endless age")
    {
        policy.mutable_match()->mutable_pin()->mutable_min_age()->set_seconds(315576000000);
        field = "match.pin.min_age";
    }
    SECTION("no action")
    {
        policy.clear_action();
        field = "action";
    }
    SECTION("unknown errno")
    {
        policy.mutable_action()->mutable_deny()->set_error("EBUSSY");
        field = "action.deny.errno";
    }
    SECTION("a hold of no time")
    {
        policy.mutable_action()->mutable_hold()->mutable_timeout();
        field = "action.hold.timeout: 0ns is too short; at least 100ms";
    }
    SECTION("a hold of negative time")
    {
        policy.mutable_action()->mutable_hold()->mutable_timeout()->set_seconds(-1);
        field = "action.hold.timeout: must be a duration from 100ms to 1h";
    }
    SECTION("a hold nobody waits for")
    {
        policy.mutable_action()->mutable_hold()->mutable_timeout()->set_seconds(3601);
        field = "action.hold.timeout: 3601s is too long; at most 1h";
    }
    SECTION("unknown outcomes of a hold")
    {
        policy.mutable_action()->mutable_hold()->set_on_timeout(static_cast<v1::Outcome>(7));
        field = "action.hold.on_timeout";
    }
    SECTION("unknown fallback of a hold")
    {
        policy.mutable_action()->mutable_hold()->set_fallback(static_cast<v1::Outcome>(7));
        field = "action.hold.fallback";
    }
    SECTION("unknown errno of a hold")
    {
        policy.mutable_action()->mutable_hold()->set_error("EBUSSY");
        field = "action.hold.errno";
    }
    SECTION("a revoke that sends nothing")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke();
        field = "action.hold.revoke";
    }
    SECTION("unknown signal that asks")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->set_notify("SIGUSR");
        field = "action.hold.revoke.notify: \"SIGUSR\" is no signal";
    }
    SECTION("a grace of negative time")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->mutable_grace()->set_seconds(-1);
        field = "action.hold.revoke.grace: must be a duration from 100ms to 1h";
    }
    SECTION("unknown signal that insists")
    {
        v1::Revoke& revoke = *policy.mutable_action()->mutable_hold()->mutable_revoke();
        for (const char* entry : {"SIGTERM", "1s", "SIGKIL"}) {
            revoke.add_then(entry);
        }
        field = "action.hold.revoke.then[2]: \"SIGKIL\" is no signal";
    }
    SECTION("an empty entry among signals")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->add_then("");
        field = "action.hold.revoke.then[0]: \"\" is no signal";
    }
    SECTION("a revoke that is longer than its hold")
    {
        policy.mutable_action()->mutable_hold()->mutable_revoke()->set_notify("SIGUSR1");
        policy.mutable_action()->mutable_hold()->mutable_timeout()->set_seconds(4);
        field = "action.hold.revoke: takes 5s until its end, which a hold of 4s never reaches";
    }
    SECTION("unknown when_unattended")
    {
        policy.set_when_unattended(static_cast<v1::WhenUnattended>(9));
        field = "when_unattended";
    }
    SECTION("unknown unresolved")
    {
        policy.set_unresolved(static_cast<v1::Unresolved>(9));
        field = "unresolved";
    }
    const auto refused = policies_from_request(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EINVAL);
    CHECK_THAT(refused.error().message,
               Catch::StartsWith("policies[0] \"keep\": " + field + (field.find(':') == std::string::npos ? ":" : "")));
}

TEST_CASE("policies come in exactly one form")
{
    CHECK_THAT(policies_from_request({}).error().message, Catch::StartsWith("no policy given"));
    v1::ApplyPolicyRequest both = request_with_policy();
    both.set_yaml("name: x");
    CHECK_THAT(policies_from_request(both).error().message, Catch::StartsWith("policies given in several forms"));
}

TEST_CASE("several texts make one list, and each is named in messages")
{
    const std::string yaml = "mode: monitor\nmatch: {operations: [truncate]}\naction: {deny: {}}\n";
    v1::ApplyPolicyRequest request;
    for (const char* const name : {"a", "b"}) {
        v1::PolicyText& text = *request.add_texts();
        text.set_yaml("name: " + std::string(name) + "\n" + yaml);
        text.set_source(std::string(name) + ".yaml");
    }
    const auto policies = policies_from_request(request);
    REQUIRE(policies);
    REQUIRE(policies->size() == 2);
    CHECK((*policies)[1].name == "b");
    CHECK((*policies)[1].source == "b.yaml");

    request.mutable_texts(1)->set_yaml("name: b\nmodus: monitor\n");
    const auto refused = policies_from_request(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EINVAL);
    CHECK_THAT(refused.error().message, Catch::StartsWith("b.yaml:2:"));
}
