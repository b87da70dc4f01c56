#include "policy/dry_run.h"

#include <catch2/catch.hpp>

#include "policy/policy_yaml.h"
#include "support/fake_verdict_sink.h"
#include "support/ledgers.h"

namespace pinwarden::test {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kNow = 100 * kSecond;

// Pages 4 to 7 of a file of 16 pages are pinned, by one of uid 1000 called "owner" through rdma_rxe.
struct Bench {
    Bench()
    {
        ledger.file(file_event());
        acquire_file(ledger, 1, 100, 4, 1, 4);
        paths.directories["/mnt"] = {{2, kFile.device}};
        paths.directories["/other"] = {{3, 1}};
    }

    // A policy with that match; more of it as it comes.
    void add(const std::string& match, const std::string& mode = "enforce", const std::string& action = "deny: {}",
             const std::string& more = "")
    {
        const std::string name = "p" + std::to_string(policies.policies().size());
        const auto parsed =
            parse_policies("name: " + name + "\nmode: " + mode +
                               "\nmatch: {operations: [truncate, "
                               "umount]" +
                               (match.empty() ? "" : ", " + match) + "}\naction: {" + action + "}\n" + more,
                           "test");
        REQUIRE(parsed);
        REQUIRE(policies.apply(*parsed));
    }

    DryRun run(const OperationEvent& operation, Nanoseconds now = kNow)
    {
        const auto compiled = policies.compile(paths);
        REQUIRE(compiled);
        return dry_run(policies, *compiled, ledger,
                       {.operation = operation,
                        .path = "/mnt/data/x",
                        .filesystem = "ext4",
                        .directories = {{42, kFile.device}, {5, kFile.device}, {2, kFile.device}}},
                       now);
    }
    DryRun truncate(std::uint64_t size, Nanoseconds now = kNow) { return run(truncate_event(65536, size), now); }

    // Why the only policy does not match.
    std::string reason(Nanoseconds now = kNow)
    {
        const DryRun result = truncate(0, now);
        REQUIRE(result.findings.size() == 1);
        CHECK(result.findings[0].matched == result.findings[0].reason.empty());
        CHECK(result.conflict.operation.policy == (result.findings[0].matched ? 0 : -1));
        return result.findings[0].reason;
    }

    Ledger ledger;
    FakePathResolver paths;
    PolicySet policies;
};

}  // namespace

TEST_CASE("the first policy that matches decides, as its mode and action say", "[dry_run]")
{
    struct Row {
        std::string mode;
        std::string action;
        pw_verdict verdict;
        int error;
    };
    const Row row = GENERATE(values<Row>({{"enforce", "deny: {errno: EPERM}", PW_VERDICT_DENY, 1},
                                          {"monitor", "deny: {errno: EPERM}", PW_VERDICT_WOULD_DENY, 1},
                                          {"enforce", "hold: {}", PW_VERDICT_HOLD, 16},
                                          {"monitor", "hold: {}", PW_VERDICT_WOULD_HOLD, 16}}));
    Bench bench;
    bench.add("pin: {drivers: [vfio]}");
    bench.add("", row.mode, row.action);
    bench.add("");
    const DryRun result = bench.truncate(20000);
    CHECK(result.conflict.operation.verdict == row.verdict);
    CHECK(result.conflict.operation.error == row.error);
    CHECK(result.conflict.operation.policy == 1);
    CHECK(result.conflict.operation.matched == 6);
    CHECK_FALSE(result.conflict.operation.unresolved);
    CHECK(result.conflict.first_page == 4);
    CHECK(result.conflict.end_page == 16);
    REQUIRE(result.conflict.pins.size() == 1);
    CHECK(result.conflict.pins[0].id == 1);
    CHECK_FALSE(result.findings[0].matched);
    CHECK(result.findings[1].decides);
    CHECK(result.findings[2].matched);
    CHECK_FALSE(result.findings[2].decides);
    CHECK_THAT(result.reason, Catch::Contains("\"p1\"") && Catch::Contains("1 pin overlaps"));
    CHECK(result.note.empty());
}

TEST_CASE("the first part of a match that does not hold is named", "[dry_run]")
{
    const auto [match, reason] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"file: {path_prefixes: [/mnt]}", ""},
        {"file: {path_prefixes: [/other]}", "match.file: /mnt/data/x is not at or below /other"},
        {"file: {path_prefixes: [/nowhere]}", "match.file: /mnt/data/x is not at or below /nowhere"},
        {"file: {filesystems: [ext4, xfs]}", ""},
        {"file: {filesystems: [xfs]}", "match.file.filesystems: ext4 is not xfs"},
        {"file: {filesystems: [xfs, tmpfs]}", "match.file.filesystems: ext4 is none of xfs, tmpfs"},
        {"pin: {drivers: [rdma_rxe]}", ""},
        {"pin: {drivers: [vfio]}", "match.pin.drivers: rdma_rxe is not vfio"},
        {"pin: {min_bytes: 16KiB}", ""},
        {"pin: {min_bytes: 1MiB}", "match.pin.min_bytes: the pin has 16KiB, less than 1MiB"},
        {"owner: {uids: [1000]}", ""},
        {"owner: {uids: [0, 7]}", "match.owner.uids: 1000 is none of 0, 7"},
        {"owner: {comms: [owner]}", ""},
        {"owner: {comms: [trainer]}", "match.owner.comms: owner is not trainer"},
        {"pin: {min_age: 5s}", ""},
        {"owner: {uids: [0]}, pin: {drivers: [vfio]}", "match.pin.drivers: rdma_rxe is not vfio"},
    }));
    INFO(match);
    Bench bench;
    bench.add(match);
    CHECK(bench.reason() == reason);
}

TEST_CASE("what it is not about, and what is off, does not match", "[dry_run]")
{
    Bench bench;
    bench.add("", "off");
    CHECK(bench.reason() == "its mode is off");
    const DryRun punch = bench.run(range_event(PW_OPERATION_PUNCH_HOLE, 16384, 4096, 65536));
    CHECK(punch.conflict.operation.verdict == PW_VERDICT_ALLOW);
    Bench other;
    other.add("");
    const DryRun hole = other.run(range_event(PW_OPERATION_PUNCH_HOLE, 16384, 4096, 65536));
    CHECK(hole.findings[0].reason == "match.operations: it is not about punch_hole");
    CHECK(hole.conflict.pins.size() == 1);
    CHECK_THAT(hole.reason, Catch::StartsWith("no policy matched punch_hole"));
}

TEST_CASE("a pin that is too young says from when on it is not", "[dry_run]")
{
    Bench bench;
    bench.add("pin: {min_age: 5s}");
    // It was made 1000 ns after the start.
    const DryRun early = bench.truncate(0, 2 * kSecond);
    CHECK(early.conflict.operation.verdict == PW_VERDICT_ALLOW);
    CHECK(early.findings[0].reason == "match.pin.min_age: the pin is 1999ms old, younger than 5s");
    CHECK(early.findings[0].matches_from == 5 * kSecond + 1000);
    CHECK(bench.truncate(0, 5 * kSecond + 1000).conflict.operation.verdict == PW_VERDICT_DENY);
    CHECK_FALSE(bench.truncate(0).findings[0].matches_from);
}

TEST_CASE("of several pins the one that comes nearest to a match says why there is none", "[dry_run]")
{
    Bench bench;
    bench.ledger.pin(pin_event(2, 4), "vfio");
    bench.ledger.range(range_event(2, 2, 8, 4));
    bench.ledger.pages(pages_event(2, {{200, 4}}));
    bench.add("pin: {drivers: [vfio], min_bytes: 1MiB}");
    CHECK(bench.reason() == "match.pin.min_bytes: the pin has 16KiB, less than 1MiB");
}

TEST_CASE("without a pin in the way no policy is asked", "[dry_run]")
{
    Bench bench;
    bench.add("");
    const auto [size, reason] = GENERATE(
        table<std::uint64_t, std::string>({{32768, "no pin is in the way, so no policy is asked"},
                                           {65536, "the file does not get shorter, so no policy is asked"},
                                           {1U << 20U, "the file does not get shorter, so no policy is asked"}}));
    const DryRun result = bench.truncate(size);
    CHECK(result.conflict.operation.verdict == PW_VERDICT_ALLOW);
    CHECK(result.reason == reason);
    CHECK(result.findings[0].reason == "no pin is in the way");
    CHECK(result.conflict.pins.empty());
    // A file that was never pinned.
    const DryRun other = bench.run(truncate_event(65536, 0, kOther));
    CHECK(other.reason == "no pin is in the way, so no policy is asked");
}

TEST_CASE("the path a file was pinned through counts as well", "[dry_run]")
{
    Bench bench;
    bench.paths.directories["/mnt/data"] = {{77, 77}};
    bench.add("file: {path_prefixes: [/mnt/data]}");
    CHECK(bench.reason().empty());
}

TEST_CASE("an unmount meets every pin of its file system", "[dry_run]")
{
    Bench bench;
    bench.add("file: {path_prefixes: [/other]}");
    bench.add("pin: {drivers: [rdma_rxe]}", "enforce", "hold: {}");
    OperationEvent umount;
    umount.operation = PW_OPERATION_UMOUNT;
    umount.file = {0, kFile.device, 0};
    const DryRun result = bench.run(umount);
    CHECK(result.conflict.operation.verdict == PW_VERDICT_HOLD);
    CHECK(result.conflict.operation.policy == 1);
    CHECK(result.conflict.pins.size() == 1);
    umount.file.device = 99;
    const DryRun elsewhere = bench.run(umount);
    CHECK(elsewhere.conflict.operation.verdict == PW_VERDICT_ALLOW);
    CHECK(elsewhere.reason == "no pin is in the way, so no policy is asked");
}

TEST_CASE("while the ledger is uncertain each policy decides by its unresolved", "[dry_run]")
{
    struct Row {
        std::string unresolved;
        pw_verdict verdict;
        bool by_doubt;
    };
    const Row row = GENERATE(values<Row>(
        {{"deny", PW_VERDICT_DENY, true}, {"hold", PW_VERDICT_HOLD, true}, {"allow", PW_VERDICT_ALLOW, false}}));
    Bench bench;
    bench.ledger.lost_events();
    bench.add("pin: {drivers: [vfio]}", "enforce", "deny: {}", "unresolved: " + row.unresolved + "\n");
    const DryRun result = bench.truncate(0);
    CHECK(result.conflict.operation.verdict == row.verdict);
    CHECK(result.conflict.operation.unresolved == row.by_doubt);
    CHECK_THAT(result.note, Catch::Contains("events were lost"));
    if (!row.by_doubt) {
        CHECK_THAT(result.findings[0].reason, Catch::StartsWith("unresolved: allow"));
    }
}

TEST_CASE("it agrees with what the kernel was told", "[dry_run]")
{
    // A pin that is selected, beside others: the kernel goes by the smallest range that holds all selected ones.
    Bench bench;
    bench.ledger.pin(pin_event(2, 1), "vfio");
    bench.ledger.range(range_event(2, 2, 0, 1));
    bench.ledger.pages(pages_event(2, {{200, 1}}));
    bench.add("pin: {drivers: [vfio]}");
    CHECK(bench.truncate(16384).findings[0].reason == "match.pin.drivers: rdma_rxe is not vfio");
    CHECK(bench.truncate(0).findings[0].matched);
}

}  // namespace pinwarden::test
