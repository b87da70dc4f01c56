#include "policy/decide.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <functional>

#include "support/fake_verdict_sink.h"
#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Pages 0 to 3 of the buffer are nobody's file's, 4 to 7 are pages 100 to 103 of kFile.
struct Bench {
    Bench()
    {
        ledger.pin(pin_event(1, 8), "rdma_rxe");
        ledger.range(range_event(1, 1, 100, 4, 4));
        ledger.pages(pages_event(1, {{1000, 8}}));
        FileEvent file;
        file.file = kFile;
        file.path = "/data/x";
        file.filesystem = "ext4";
        ledger.file(file);
        resolver.directories["/data"] = {{2, 1}};
    }

    InvalidationDecision decide(pw_invalidation_kind kind, std::uint64_t first, std::uint64_t pages)
    {
        const InvalidationEvent event = invalidation_event(kind, first, pages);
        const auto conflict = correlate(ledger, event, ledger.invalidate(event));
        REQUIRE(conflict);
        const auto compiled = compile(policies, resolver);
        REQUIRE(compiled);
        return pinwarden::decide({policies, *compiled}, *conflict, ledger, 0);
    }

    Ledger ledger;
    FakePathResolver resolver;
    std::vector<Policy> policies;
};

Policy about(const std::string& name, const std::vector<Operation>& operations)
{
    Policy policy;
    policy.name = name;
    policy.mode = Mode::kEnforce;
    policy.operations = operations;
    policy.signal = SignalAction{.target = SignalTarget::kOwners, .signals = {{.signal = SIGTERM}}};
    policy.unresolved = Unresolved::kHold;
    return policy;
}

}  // namespace

TEST_CASE("the first policy that is about an invalidation decides, and all that are count", "[decide]")
{
    Bench bench;
    Policy off = about("off", {Operation::kMunmap});
    off.mode = Mode::kOff;
    Policy tells = about("tells", {Operation::kMremap, Operation::kMunmap});
    tells.signal.reset();
    tells.notify = true;
    tells.mode = Mode::kMonitor;
    bench.policies = {off, about("other", {Operation::kMremap, Operation::kTruncate}), tells,
                      about("last", {Operation::kMunmap})};
    const InvalidationDecision decision = bench.decide(PW_INVALIDATION_MUNMAP, 0, 2);
    CHECK(decision.decided.policy == 2);
    CHECK(decision.decided.matched == 0b1100);
    CHECK(decision.decided.verdict == PW_VERDICT_WOULD_NOTIFY);
    CHECK(decision.pins.size() == 1);
    bench.policies.erase(bench.policies.begin() + 2);
    CHECK(bench.decide(PW_INVALIDATION_MUNMAP, 2, 1).decided.verdict == PW_VERDICT_SIGNAL);
    bench.policies.pop_back();
    const InvalidationDecision none = bench.decide(PW_INVALIDATION_MUNMAP, 3, 1);
    CHECK(none.decided.policy == -1);
    CHECK(none.decided.verdict == PW_VERDICT_ALLOW);
    CHECK(none.pins.empty());
}

TEST_CASE("both kinds of what notifiers are told are an invalidation", "[decide]")
{
    Bench bench;
    bench.policies = {about("p", {Operation::kInvalidate})};
    CHECK(bench.decide(PW_INVALIDATION_NOTIFIER_UNMAP, 0, 1).decided.policy == 0);
    CHECK(bench.decide(PW_INVALIDATION_NOTIFIER_CLEAR, 1, 1).decided.policy == 0);
}

TEST_CASE("pins, owners and callers are selected", "[decide]")
{
    struct Row {
        std::string what;
        std::function<void(Policy&)> change;
        bool decides;
    };
    const auto row = GENERATE(values<Row>({
        {"its driver", [](Policy& policy) { policy.pin.drivers = {"rdma_rxe"}; }, true},
        {"another", [](Policy& policy) { policy.pin.drivers = {"vfio"}; }, false},
        {"its owner", [](Policy& policy) { policy.owner.uids = {pin_event(1, 1).owner.uid}; }, true},
        {"another", [](Policy& policy) { policy.owner.uids = {4711}; }, false},
        {"its caller",
         [](Policy& policy) { policy.caller.uids = {invalidation_event(PW_INVALIDATION_MUNMAP, 0, 1).caller.uid}; },
         true},
        {"another", [](Policy& policy) { policy.caller.uids = {4711}; }, false},
    }));
    INFO(row.what);
    Bench bench;
    Policy policy = about("p", {Operation::kMunmap});
    row.change(policy);
    bench.policies = {policy};
    CHECK((bench.decide(PW_INVALIDATION_MUNMAP, 0, 1).decided.policy == 0) == row.decides);
}

TEST_CASE("a policy that selects files is about pages of such files", "[decide]")
{
    Bench bench;
    Policy policy = about("p", {Operation::kMunmap});
    policy.file.path_prefixes = {"/data"};
    policy.file.filesystems = {"ext4"};
    bench.policies = {policy};
    CHECK(bench.decide(PW_INVALIDATION_MUNMAP, 0, 4).decided.policy == -1);
    CHECK(bench.decide(PW_INVALIDATION_MUNMAP, 4, 1).decided.policy == 0);
    bench.policies[0].file.filesystems = {"xfs"};
    CHECK(bench.decide(PW_INVALIDATION_MUNMAP, 5, 1).decided.policy == -1);
    bench.policies[0].file = {};
    bench.policies[0].file.inodes = {
        {.major = kFile.device_major(), .minor = kFile.device_minor(), .inode = kFile.inode}};
    CHECK(bench.decide(PW_INVALIDATION_MUNMAP, 6, 1).decided.policy == 0);
}
