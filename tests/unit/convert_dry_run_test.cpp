// Questions what would happen, and their answers, as messages and as text.
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "cli/render.h"
#include "publish/convert.h"
#include "support/policies.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

namespace pinwarden {
namespace {

using namespace test;

v1::TestPoliciesRequest asking(const std::string& operation)
{
    v1::TestPoliciesRequest request;
    request.set_path("/mnt/data/x");
    request.set_operation(operation);
    return request;
}

// A truncate that would be held, by the second of three policies, which asks the one owner and then insists.
DryRunView held_view()
{
    DryRunView view{.run = {}, .tested = {"keep"}, .taken = 30 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond};
    view.run.conflict = std::get<ConflictNotice>(conflict_notice(PW_VERDICT_HOLD, "keep").what).conflict.conflict;
    view.run.conflict.operation.policy = 1;
    view.run.reason = "policy \"keep\" holds it";
    view.run.findings = {{.name = "young",
                          .mode = Mode::kEnforce,
                          .reason = "match.pin.min_age: too young",
                          .matches_from = 40 * kSecond},
                         {.name = "keep", .mode = Mode::kEnforce, .matched = true, .decides = true, .reason = ""},
                         {.name = "last", .mode = Mode::kMonitor, .matched = true, .reason = ""}};
    Policy& keep = view.deciding.emplace();
    keep.name = "keep";
    keep.mode = Mode::kEnforce;
    keep.deny_errno = EBUSY;
    keep.hold.emplace().timeout = 30 * kSecond;
    std::vector<PreviewedOwner>& owners = view.signals.emplace().owners;
    owners.resize(2);
    owners[0].who.process = {812, 5 * kSecond};
    owners[0].who.held.bytes = kMiB;
    owners[0].known.emplace();
    owners[0].known->uid = 1000;
    owners[0].known->comm = "rdma-demo";
    owners[0].signals = {{.signal = SIGUSR1, .after = 0, .rule = "revoke.notify"},
                         {.signal = SIGTERM, .after = 5 * kSecond, .rule = "revoke.then[0]"}};
    owners[1].who.process = {813, 5 * kSecond};
    owners[1].spared = ActOutcome::kProtected;
    owners[1].reason = "it is a kernel thread";
    return view;
}

}  // namespace

TEST_CASE("a question is read", "[convert_dry_run]")
{
    v1::TestPoliciesRequest request = asking("punch_hole:4096+8192");
    request.add_texts()->set_yaml(policy_named("a"));
    request.mutable_caller()->set_uid(7);
    request.mutable_caller()->set_comm("rm");
    const auto question = question_from_request(request);
    REQUIRE(question);
    CHECK(question->path == "/mnt/data/x");
    CHECK(question->operation == RequestedOperation{PW_OPERATION_PUNCH_HOLE, 4096, 8192});
    REQUIRE(question->policies.size() == 1);
    CHECK(question->policies[0].name == "a");
    CHECK(question->caller_uid == 7U);
    CHECK(question->caller_comm == "rm");

    v1::TestPoliciesRequest by_inode;
    by_inode.set_inode(12);
    by_inode.set_device_major(8);
    by_inode.set_device_minor(1);
    by_inode.set_operation("truncate:0");
    CHECK(question_from_request(by_inode)->device == (8U << 20U | 1U));
    CHECK_FALSE(question_from_request(by_inode)->caller_uid);
}

TEST_CASE("a question that makes no sense is refused", "[convert_dry_run]")
{
    v1::TestPoliciesRequest none = asking("truncate:0");
    none.clear_path();
    v1::TestPoliciesRequest both = asking("truncate:0");
    both.set_inode(1);
    v1::TestPoliciesRequest umount = none;
    umount.set_inode(1);
    umount.set_operation("umount");
    v1::TestPoliciesRequest text = asking("truncate:0");
    text.add_texts()->set_yaml("name: a\n");
    v1::TestPoliciesRequest device = umount;
    device.set_operation("truncate:0");
    device.set_device_major(1U << 12U);
    for (const auto& [request, field] :
         {std::pair(none, "file: "), std::pair(both, "file: "), std::pair(umount, "file: "),
          std::pair(asking("x"), "operation: "), std::pair(text, "request:1:1: "), std::pair(device, "device_major")}) {
        INFO(field);
        const auto question = question_from_request(request);
        REQUIRE_FALSE(question);
        CHECK(question.error().code == EINVAL);
        CHECK_THAT(question.error().message, Catch::StartsWith(field));
    }
}

TEST_CASE("modes are read, and none is refused", "[convert_dry_run]")
{
    v1::SetPolicyModeRequest request;
    CHECK_FALSE(mode_from_request(request));
    request.set_mode(v1::MODE_OFF);
    CHECK(mode_from_request(request) == Mode::kOff);
}

TEST_CASE("an answer is told in full", "[convert_dry_run]")
{
    const v1::TestPoliciesResponse out = dry_run_to_proto(held_view());
    CHECK(out.conflict().verdict() == "hold");
    CHECK(out.conflict().policy() == "keep");
    CHECK(out.conflict().pins_size() == 1);
    CHECK_FALSE(out.conflict().caller().has_start_time());
    CHECK(out.hold().timeout().seconds() == 30);
    REQUIRE(out.policies_size() == 3);
    CHECK(out.policies(0).reason() == "match.pin.min_age: too young");
    CHECK(out.policies(0).matches_from().seconds() == 1'700'000'040);
    CHECK(out.policies(1).decides());
    CHECK(out.policies(1).tested());
    CHECK_FALSE(out.policies(2).tested());
    REQUIRE(out.owners_size() == 2);
    CHECK(out.owners(0).process().comm() == "rdma-demo");
    CHECK(out.owners(0).bytes() == kMiB);
    REQUIRE(out.owners(0).signals_size() == 2);
    CHECK(out.owners(0).signals(1).signal() == "SIGTERM");
    CHECK(out.owners(0).signals(1).after().seconds() == 5);
    CHECK(out.owners(0).signals(1).rule() == "revoke.then[0]");
    CHECK(out.owners(1).spared() == "protected");
    CHECK(out.owners(1).reason() == "it is a kernel thread");
    CHECK(out.ledger_certain());
}

TEST_CASE("an answer is rendered for people", "[convert_dry_run]")
{
    const auto text = cli::render_dry_run(dry_run_to_proto(held_view()), kPlain);
    CHECK_THAT(text,
               Catch::StartsWith("truncate of /mnt/data/x from 1048576 to 0 bytes\n"
                                 "Verdict   hold for up to 30s, then deny with EBUSY; who cannot be held: deny with "
                                 "EBUSY\n"
                                 "Policy    keep\n"
                                 "Because   policy \"keep\" holds it\n\n"));
    CHECK_THAT(text, Catch::Contains("keep (not in force)  enforce  decides"));
    CHECK_THAT(text, Catch::Contains("match.pin.min_age: too young; matches from "));
    CHECK_THAT(text, Catch::Contains("matches, after one that decides"));
    CHECK_THAT(text, Catch::Contains("rdma-demo[812]") && Catch::Contains("SIGUSR1 after 0ms, SIGTERM after 5s"));
    CHECK_THAT(text, Catch::Contains("left alone: it is a kernel thread"));

    DryRunView nothing;
    nothing.run.reason = "no pin is in the way, so no policy is asked";
    nothing.run.note = "beware";
    const auto allowed = cli::render_dry_run(dry_run_to_proto(nothing), kPlain);
    CHECK_THAT(allowed, Catch::Contains("Verdict   allow\nPolicy    none\n") && Catch::Contains("Note      beware") &&
                            Catch::Contains("There are no policies."));
}

TEST_CASE("what a monitoring policy would do is told as that", "[convert_dry_run]")
{
    DryRunView view = held_view();
    view.run.conflict.operation.verdict = PW_VERDICT_WOULD_HOLD;
    CHECK_THAT(cli::render_dry_run(dry_run_to_proto(view), kPlain),
               Catch::Contains("Verdict   allow, because the policy only monitors; would hold for up to 30s") &&
                   Catch::Contains("WOULD SIGNAL"));
    view.run.conflict.operation.verdict = PW_VERDICT_WOULD_DENY;
    CHECK_THAT(cli::render_dry_run(dry_run_to_proto(view), kPlain),
               Catch::Contains("Verdict   allow, because the policy only monitors; would deny with EBUSY"));
}

TEST_CASE("a refused policy is listed, also when only its name is known", "[convert_dry_run]")
{
    Snapshot snapshot;
    Policy unread;
    unread.name = "z";
    unread.source = "grpc";
    snapshot.policies = {{unread, "refused", "unknown field", {}}};
    const v1::ListPoliciesResponse out = policies_to_proto(snapshot);
    REQUIRE(out.policies_size() == 1);
    CHECK(out.policies(0).policy().name() == "z");
    CHECK_FALSE(out.policies(0).policy().has_action());
    CHECK_THAT(cli::render_policies(out, kPlain), Catch::Contains("refused") && Catch::Contains("unknown field"));
}

}  // namespace pinwarden
