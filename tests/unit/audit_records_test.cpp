#include "act/audit_records.h"

#include <catch2/catch.hpp>
#include <string>

#include "support/audit_desk.h"

namespace pinwarden::test {
namespace {

// 2026-11-26T04:16:53.000000005Z
constexpr AuditStamp kStamp{.id = 17, .time = 1'795'666'613'000'000'005};

const std::string kEvidence =
    R"("evidence":{"operation":"truncate","caller":{"pid":812,"uid":0,"comm":"truncate"},"file":"/mnt/data/x",)"
    R"("range":{"first_page":1,"end_page":5},"pins":[7],"pin_count":1,"bytes":8192,"drivers":["vfio"]})";

}  // namespace

TEST_CASE("a signal's record tells who was hit, by what, on which ground, and how it ended", "[audit_log]")
{
    CHECK(begin_record(kStamp, signal_entry()) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"signal","phase":"begin","policy":"datasets",)"
          R"("generation":3,"rule":"revoke.then[0]","action":{"signal":"SIGTERM","target":"owners"},)"
          R"("victim":{"pid":4711,"start_time":"123456789012345678","uid":1000,"comm":"work\ner",)"
          R"("executable":"/usr/bin/worker","cgroup":"/system.slice/worker.service"},)"
          R"("evidence":{"operation":"truncate","caller":{"pid":812,"uid":0,"comm":"truncate"},"file":"/mnt/data/x",)"
          R"("range":{"first_page":1,"end_page":5},"pins":[7,8],"pin_count":2,"bytes":16384,"drivers":["vfio"]},)"
          R"("asked_by":null})");
    CHECK(complete_record(kStamp, signal_entry(), {.result = "sent", .reason = "", .took = 1500}) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"signal","phase":"complete","policy":"datasets",)"
          R"("outcome":"sent","reason":"","took_ns":1500})");
}

TEST_CASE("an operator who asked is named, and so is nobody", "[audit_log]")
{
    SignalEntry asked = signal_entry();
    asked.asked_by = Requester{.certificate = "ops.example", .address = "10.0.0.1:4321"};
    CHECK_THAT(begin_record(kStamp, asked),
               Catch::Contains(R"("asked_by":{"certificate":"ops.example","address":"10.0.0.1:4321"})"));
    asked.asked_by = Requester{.uid = 1001, .pid = 99};
    asked.victim.uid = std::nullopt;
    asked.target = SignalTarget::kCaller;
    CHECK_THAT(begin_record(kStamp, asked), Catch::Contains(R"("asked_by":{"uid":1001,"pid":99})") &&
                                                Catch::Contains(R"("uid":null,"comm")") &&
                                                Catch::Contains(R"("target":"caller")"));
}

TEST_CASE("a change of policies tells each policy before and after, and who wanted it", "[audit_log]")
{
    const std::string policies =
        R"("policies":[{"name":"datasets","mode_before":"monitor","mode":"enforce","source":"/etc/d.yaml"},)"
        R"({"name":"new","mode_before":null,"mode":"off","source":"grpc"}],"generation_before":3,)";
    CHECK(begin_record(kStamp, policy_entry()) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"policy","phase":"begin","action":"apply",)" +
              policies + R"("reason":"","asked_by":{"uid":1001,"pid":99}})");
    CHECK(complete_record(kStamp, policy_entry(),
                          {.result = "done", .reason = "", .took = 20, .generation = 4, .error = 0}) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"policy","phase":"complete","action":"apply",)" +
              policies + R"("generation":4,"outcome":"done","reason":"","took_ns":20})");
}

TEST_CASE("a release tells which hold, how it is to end, and who wanted it", "[audit_log]")
{
    const ReleaseEntry entry{
        .hold = hold_entry(), .outcome = Outcome::kAllow, .asked_by = Requester{.uid = 0, .pid = 0}};
    CHECK(begin_record(kStamp, entry) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"release","phase":"begin","hold":7,)"
          R"("policy":"datasets","generation":3,"action":"allow",)" +
              kEvidence + R"(,"asked_by":{"uid":0,"pid":0}})");
    CHECK(complete_record(kStamp, entry, {.result = "failed", .reason = "it is gone", .took = 1}) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"release","phase":"complete","hold":7,)"
          R"("policy":"datasets","outcome":"failed","reason":"it is gone","took_ns":1})");
}

TEST_CASE("denials and holds tell what the kernel did", "[audit_log]")
{
    const std::string head = R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":)";
    DenialEntry denial = denial_entry();
    CHECK(denial_record(kStamp, denial) ==
          head + R"("denial","phase":"done","policy":"datasets","generation":3,"outcome":"denied","error":"EBUSY",)" +
              kEvidence + "}");
    denial.unresolved = true;
    CHECK_THAT(denial_record(kStamp, denial), Catch::Contains(R"("outcome":"denied_unresolved")"));
    const std::string hold = R"("hold":7,"policy":"datasets","generation":3)";
    CHECK(hold_record(kStamp, hold_entry()) == head + R"("hold","phase":"begin",)" + hold + "," + kEvidence + "}");
    const AuditOutcome ended{.result = "timed_out_deny", .reason = "", .took = 5, .generation = {}, .error = 16};
    CHECK(hold_end_record(kStamp, hold_entry(), ended, true) ==
          head + R"("hold","phase":"complete",)" + hold +
              R"(,"outcome":"timed_out_deny","error":"EBUSY","reason":"","took_ns":5})");
    CHECK(hold_end_record(kStamp, hold_entry(), ended, false) ==
          head + R"("hold","phase":"done",)" + hold +
              R"(,"outcome":"timed_out_deny","error":"EBUSY","reason":"","took_ns":5,)" + kEvidence + "}");
}

TEST_CASE("an owner's answer tells which revocation it is about, and who gave it", "[audit_log]")
{
    CHECK(acknowledgement_record(kStamp, acknowledgement_entry()) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"acknowledgement","phase":"done",)"
          R"("policy":"datasets","generation":3,"revocation":9,"action":"cannot",)"
          R"("victim":{"pid":4711,"start_time":"123456789012345678","uid":1000,"comm":"work\ner",)"
          R"("executable":"/usr/bin/worker","cgroup":"/system.slice/worker.service"},)"
          R"("evidence":{"operation":"truncate","caller":{"pid":812,"uid":0,"comm":"truncate"},"file":"/mnt/data/x",)"
          R"("range":{"first_page":1,"end_page":5},"pins":[7,8],"pin_count":2,"bytes":16384,"drivers":["vfio"]},)"
          R"("asked_by":{"uid":1000,"pid":4711}})");
    AcknowledgementEntry entry = acknowledgement_entry();
    entry.intent = RevocationIntent::kLettingGo;
    CHECK_THAT(acknowledgement_record(kStamp, entry), Catch::Contains(R"("action":"letting_go")"));
}

TEST_CASE("what was left out is told in the next record", "[audit_log]")
{
    AuditStamp stamp = kStamp;
    stamp.left_out = 12;
    CHECK(left_out_record(stamp) ==
          R"({"time":"2026-11-26T04:16:53.000000005Z","id":17,"kind":"left_out","phase":"done","left_out":12})");
    CHECK_THAT(denial_record(stamp, denial_entry()), Catch::Contains(R"("phase":"done","left_out":12,"policy")"));
}

TEST_CASE("a record stays short however many pins there are", "[audit_log]")
{
    SignalEntry many = signal_entry();
    many.held.pins.assign(100'000, 1'000'000);
    const std::string line = begin_record(kStamp, many);
    CHECK(line.size() < 2048);
    CHECK_THAT(line, Catch::Contains(R"("pin_count":100000)"));
    CHECK(is_json(line));
}

TEST_CASE("times are in UTC, to the nanosecond", "[audit_log]")
{
    CHECK(format_utc(0) == "1970-01-01T00:00:00.000000000Z");
    CHECK(format_utc(1'795'666'613'120'000'005) == "2026-11-26T04:16:53.120000005Z");
    CHECK(format_utc(951'782'400'999'999'999) == "2000-02-29T00:00:00.999999999Z");
}

}  // namespace pinwarden::test
