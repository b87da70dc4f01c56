#include <catch2/catch.hpp>
#include <ctime>
#include <memory>
#include <sstream>
#include <string>

#include "act/audit_recorder.h"
#include "cli/client.h"
#include "cli/render.h"
#include "publish/api_server.h"
#include "publish/audit_history.h"
#include "publish/convert.h"
#include "support/audit_desk.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

constexpr AuditStamp kStamp{.id = 17, .time = 1'795'666'613'120'000'005};

std::string rendered(const std::string& line)
{
    v1::WatchAuditLogResponse response;
    *response.mutable_record() = audit_record_from_line(line).value();
    return render_audit_record(response, kPlain);
}

// Nothing but its log.
struct Daemon {
    AuditDesk desk;
    TemporaryFolder folder;
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    AuditTail tail{kMaxAuditReaders, 16, kTooManyAuditReaders};
    AuditFile file{desk.path()};
    const AuditLogSource source{file, tail};
    AuditRecorder recorder{file, desk.clock};
    std::unique_ptr<ApiServer> server =
        ApiServer::start({.operators = {folder.file("s")}}, pipeline, fanout, {.audit_log = &source}).value();
};

}  // namespace

TEST_CASE("the audit log: one line each", "[audit_log]")
{
    const Utc utc;
    struct Row {
        std::string line;
        std::string text;
    };
    SignalEntry signal = signal_entry();
    SignalEntry asked = signal_entry();
    asked.victim.comm = "worker";
    asked.asked_by = Requester{.uid = 1001, .pid = 99};
    PolicyEntry own = policy_entry();
    own.policies.resize(1);
    own.asked_by.reset();
    PolicyEntry elsewhere = own;
    elsewhere.asked_by = Requester{.uid = 0, .pid = 0};
    const ReleaseEntry release{
        .hold = hold_entry(), .outcome = Outcome::kAllow, .asked_by = Requester{.uid = 0, .pid = 5}};
    PolicyEntry remote = own;
    remote.asked_by = Requester{.certificate = "ops.\nexample", .address = "10.0.0.1:4321"};
    const AuditOutcome done{.result = "done", .reason = "", .took = 1500, .generation = 4, .error = 0};
    const AuditOutcome timed_out{
        .result = "timed_out_deny", .reason = "", .took = 3'200'000'000, .generation = {}, .error = 16};
    HoldEntry gone = hold_entry();
    gone.policy.clear();
    const Row rows[] = {
        {begin_record(kStamp, signal),
         "signal   begin     SIGTERM to work\\x0aer[4711] uid 1000 with 2 pins of 16.0 KiB, for truncate of "
         "/mnt/data/x "
         "from page 1 by truncate[812] uid 0, policy datasets: revoke.then[0]"},
        {begin_record(kStamp, asked),
         "signal   begin     SIGTERM to worker[4711] uid 1000 with 2 pins of 16.0 KiB, for truncate of /mnt/data/x "
         "from "
         "page 1 by truncate[812] uid 0, policy datasets: revoke.then[0], asked by uid 1001 pid 99"},
        {complete_record(kStamp, signal, {.result = "gone", .reason = "it has ended", .took = 1}),
         "signal   complete  gone: it has ended, policy datasets"},
        {begin_record(kStamp, policy_entry()),
         "policy   begin     apply datasets: monitor to enforce, from /etc/d.yaml; new: none to off, from grpc, asked "
         "by "
         "uid 1001 pid 99"},
        {begin_record(kStamp, own),
         "policy   begin     apply datasets: monitor to enforce, from /etc/d.yaml, by pinwardend itself"},
        {begin_record(kStamp, remote),
         "policy   begin     apply datasets: monitor to enforce, from /etc/d.yaml, asked by ops.\\x0aexample from "
         "10.0.0.1:4321"},
        {begin_record(kStamp, elsewhere),
         "policy   begin     apply datasets: monitor to enforce, from /etc/d.yaml, asked by uid 0 in another pid "
         "namespace"},
        {complete_record(kStamp, own, done),
         "policy   complete  done: apply datasets: monitor to enforce, from /etc/d.yaml; generation 3 to 4"},
        {begin_record(kStamp, release),
         "release  begin     hold 7: allow truncate of /mnt/data/x from page 1 by truncate[812] uid 0, policy "
         "datasets, "
         "asked by uid 0 pid 5"},
        {complete_record(kStamp, release, done), "release  complete  hold 7: done, policy datasets"},
        {denial_record(kStamp, denial_entry()),
         "denial   done      truncate of /mnt/data/x from page 1 by truncate[812] uid 0 meets 1 pin of 8.0 KiB: denied "
         "EBUSY, policy datasets"},
        {hold_record(kStamp, hold_entry()),
         "hold     begin     hold 7: truncate of /mnt/data/x from page 1 by truncate[812] uid 0 waits for 1 pin of 8.0 "
         "KiB, policy datasets"},
        {hold_end_record(kStamp, hold_entry(), timed_out, true),
         "hold     complete  hold 7: timed out deny EBUSY after 3.2s, policy datasets"},
        {hold_end_record(kStamp, gone, timed_out, false),
         "hold     done      hold 7: truncate of /mnt/data/x from page 1 by truncate[812] uid 0: timed out deny EBUSY "
         "after 3.2s, by a policy that is gone"},
    };
    CHECK(
        rendered(acknowledgement_record(kStamp, acknowledgement_entry())) ==
        "2026-11-26 04:16:53.120  17  acknowledgement  done      revocation 9: work\\x0aer[4711] uid 1000 says that it "
        "cannot let go of 2 pins of 16.0 KiB, for truncate of /mnt/data/x from page 1 by truncate[812] uid 0, policy "
        "datasets\n");
    for (const Row& row : rows) {
        CHECK(rendered(row.line) == "2026-11-26 04:16:53.120  17  " + row.text + "\n");
    }
}

TEST_CASE("the audit log: what is missing is told", "[audit_log]")
{
    const Utc utc;
    AuditStamp stamp = kStamp;
    stamp.left_out = 12;
    CHECK(rendered(left_out_record(stamp)) ==
          "not on record: 12 denials and holds; there were too many at once, or they could not be written\n");
    CHECK_THAT(rendered(denial_record(stamp, denial_entry())),
               Catch::StartsWith("not on record: 12 denials and holds; ") && Catch::Contains("\n2026-11-26 04:16:53"));
    v1::WatchAuditLogResponse response;
    response.set_lost_before(2);
    response.set_skipped_before(1);
    CHECK(render_audit_record(response, kPlain) ==
          "2 records lost: this pinctl was too slow to take them; they are in the files\n"
          "1 line skipped: no record, or cut off\n");
    *response.mutable_record() =
        audit_record_from_line(R"({"time":"2026-11-26T04:16:53.12Z","id":17,"kind":"new","phase":"done"})").value();
    CHECK_THAT(render_audit_record(response, kPlain), Catch::EndsWith("is it older than pinwardend?\n"));
}

TEST_CASE("pinctl audit-log prints records, and as JSON the lines as they are", "[grpc][audit_log]")
{
    Daemon daemon;
    REQUIRE(daemon.recorder.begin(policy_entry()));
    REQUIRE(daemon.recorder.denied(denial_entry()));
    const auto pinctl = [&](const AuditLogCommand& command, bool json) {
        std::istringstream in;
        std::ostringstream out;
        std::ostringstream err;
        CHECK(run({.socket = daemon.folder.file("s"), .json = json, .command = command}, {in, out, err}, {}) == 0);
        CHECK(err.str().empty());
        return out.str();
    };
    CHECK_THAT(pinctl({}, false), Catch::Contains("apply datasets") && Catch::Contains("denied EBUSY"));
    CHECK(pinctl({}, true) == text_of(daemon.desk.path()));
    CHECK(pinctl({.last = 1}, true) == lines_of(daemon.desk.path()).back() + "\n");
    CHECK(pinctl({.policy = "nobody's"}, true).empty());
    // The records are of a time that is not now.
    CHECK(pinctl({.since = 1'000'000'000}, true).empty() == (std::time(nullptr) > 1'795'666'614));
}

TEST_CASE("pinctl audit-log says where there is no log", "[grpc][audit_log]")
{
    const TemporaryFolder folder;
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    const auto server = ApiServer::start({.operators = {folder.file("s")}}, pipeline, fanout).value();
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    CHECK(run({.socket = folder.file("s"), .json = false, .command = AuditLogCommand{}}, {in, out, err}, {}) == 1);
    CHECK(err.str() == "pinctl: this pinwardend writes no audit log\n");
}
