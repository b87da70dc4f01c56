#include "act/audit_recorder.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "support/audit_desk.h"

namespace pinwarden::test {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;

class ListSink final : public AuditSink {
public:
    Result<void> append(const std::string& line, How how) override
    {
        if (fails) {
            return std::unexpected(*fails);
        }
        lines.push_back(line);
        synced.push_back(how.sync);
        return {};
    }

    [[nodiscard]] bool last_has(const std::string& part) const { return lines.back().find(part) != std::string::npos; }

    std::vector<std::string> lines;
    std::vector<bool> synced;
    std::optional<Error> fails;
};

// A recorder that takes two at once, and one more each 100 ms.
struct Bench {
    AuditDesk desk;
    ListSink sink;
    AuditRecorder recorder{sink, desk.clock, {2, 100 * kMillisecond}};
};

}  // namespace

TEST_CASE("what is to be on record first is on the disk then, and completed under the same id", "[audit_log]")
{
    Bench bench;
    const AuditEntry entry = GENERATE(AuditEntry(signal_entry()), AuditEntry(policy_entry()),
                                      AuditEntry(ReleaseEntry{.hold = hold_entry()}));
    const auto id = bench.recorder.begin(entry);
    REQUIRE(id);
    CHECK(*id == 1'795'666'613'000'000);
    CHECK(bench.sink.lines.size() == 1);
    REQUIRE(bench.recorder.complete(*id, {.result = "done", .reason = "", .took = 1}));
    CHECK(bench.sink.synced == std::vector<bool>{true, true});
    CHECK(bench.sink.last_has(R"("id":1795666613000000,)"));
    CHECK(bench.sink.last_has(R"("phase":"complete")"));
    // Once.
    CHECK(bench.recorder.complete(*id, {.result = "done", .reason = "", .took = 1}).error().code == ENOENT);
}

TEST_CASE("records have ids of their own", "[audit_log]")
{
    Bench bench;
    const AuditId first = bench.recorder.begin(signal_entry()).value();
    CHECK(bench.recorder.begin(policy_entry()).value() == first + 1);
    // A clock that goes back makes no difference, nor does a restart.
    bench.desk.clock.time -= kMillisecond;
    CHECK(bench.recorder.begin(signal_entry()).value() == first + 2);
    REQUIRE(bench.recorder.denied(denial_entry()));
    CHECK(bench.sink.last_has("\"id\":" + std::to_string(first + 3) + ","));
    bench.desk.clock.time += 2 * kMillisecond;
    AuditRecorder next(bench.sink, bench.desk.clock);
    CHECK(next.begin(signal_entry()).value() > first + 3);
}

TEST_CASE("a record that cannot be written is an error, and none", "[audit_log]")
{
    Bench bench;
    bench.sink.fails = Error{"audit log /x: write: No space left on device", ENOSPC};
    const auto id = bench.recorder.begin(signal_entry());
    REQUIRE_FALSE(id);
    CHECK(id.error().code == ENOSPC);
    CHECK(id.error().message == "audit log /x: write: No space left on device");
}

TEST_CASE("a storm of denials leaves room for others, and what is left out is counted", "[audit_log]")
{
    Bench bench;
    for (int i = 0; i < 10; ++i) {
        REQUIRE(bench.recorder.denied(denial_entry()));
    }
    CHECK(bench.sink.lines.size() == 2);
    CHECK(bench.sink.synced == std::vector<bool>{false, false});
    CHECK(bench.recorder.left_out() == 8);

    SECTION("the next record tells, whatever it is, and only that")
    {
        REQUIRE(bench.recorder.begin(signal_entry()));
        CHECK(bench.sink.last_has(R"("left_out":8)"));
        REQUIRE(bench.recorder.begin(signal_entry()));
        CHECK_FALSE(bench.sink.last_has("left_out"));
        bench.desk.clock.time += 100 * kMillisecond;
        REQUIRE(bench.recorder.step());
        CHECK(bench.sink.lines.size() == 4);
    }
    SECTION("with time there is room again")
    {
        bench.desk.clock.time += 100 * kMillisecond;
        REQUIRE(bench.recorder.denied(denial_entry()));
        CHECK(bench.sink.lines.size() == 3);
        CHECK(bench.sink.last_has(R"("left_out":8)"));
        REQUIRE(bench.recorder.denied(denial_entry()));
        CHECK(bench.sink.lines.size() == 3);
        CHECK(bench.recorder.left_out() == 9);
    }
    SECTION("without another there is one for it alone")
    {
        REQUIRE(bench.recorder.step());
        CHECK(bench.sink.lines.size() == 2);
        bench.desk.clock.time += 100 * kMillisecond;
        REQUIRE(bench.recorder.step());
        CHECK(bench.sink.lines.size() == 3);
        CHECK(bench.sink.last_has(R"("kind":"left_out","phase":"done","left_out":8)"));
        bench.desk.clock.time += 100 * kMillisecond;
        REQUIRE(bench.recorder.step());
        CHECK(bench.sink.lines.size() == 3);
    }
}

TEST_CASE("a hold that is on record is completed, whatever else happens", "[audit_log]")
{
    Bench bench;
    const AuditOutcome ended{.result = "pins_gone", .reason = "", .took = 5};
    REQUIRE(bench.recorder.held(hold_entry(1)));
    REQUIRE(bench.recorder.held(hold_entry(2)));
    REQUIRE(bench.recorder.held(hold_entry(3)));  // too many
    CHECK(bench.sink.lines.size() == 2);
    const std::string first = bench.sink.lines[0].substr(0, bench.sink.lines[0].find(",\"kind\""));

    REQUIRE(bench.recorder.hold_ended(hold_entry(1), ended));
    CHECK(bench.sink.lines.size() == 3);
    CHECK(bench.sink.last_has(first.substr(first.find("\"id\""))));
    CHECK(bench.sink.last_has(R"("kind":"hold","phase":"complete")"));
    // Of the third there is nothing to complete.
    REQUIRE(bench.recorder.hold_ended(hold_entry(3), ended));
    CHECK(bench.sink.lines.size() == 3);
    CHECK(bench.recorder.left_out() == 2);
    bench.desk.clock.time += 100 * kMillisecond;
    REQUIRE(bench.recorder.hold_ended(hold_entry(4), ended));
    CHECK(bench.sink.last_has(R"("phase":"done")"));
}

TEST_CASE("an owner's answer is recorded however many denials there were", "[audit_log]")
{
    Bench bench;
    for (int i = 0; i < 5; ++i) {
        REQUIRE(bench.recorder.denied(denial_entry()));
    }
    REQUIRE(bench.recorder.acknowledged(acknowledgement_entry()));
    CHECK(bench.sink.last_has(R"("kind":"acknowledgement")"));
    CHECK(bench.sink.last_has(R"("left_out":3)"));
    bench.sink.fails = Error{"audit log /x: write: No space left on device", ENOSPC};
    CHECK(bench.recorder.acknowledged(acknowledgement_entry()).error().code == ENOSPC);
}

TEST_CASE("denials that cannot be written are counted, too", "[audit_log]")
{
    Bench bench;
    bench.sink.fails = Error{"audit log /x: write: No space left on device", ENOSPC};
    CHECK_FALSE(bench.recorder.denied(denial_entry()));
    CHECK_FALSE(bench.recorder.held(hold_entry()));
    CHECK(bench.recorder.left_out() == 2);
    bench.sink.fails.reset();
    bench.desk.clock.time += 100 * kMillisecond;
    REQUIRE(bench.recorder.hold_ended(hold_entry(), {.result = "allowed", .reason = "", .took = 1}));
    CHECK(bench.sink.last_has(R"("phase":"done","left_out":2)"));
}

}  // namespace pinwarden::test
