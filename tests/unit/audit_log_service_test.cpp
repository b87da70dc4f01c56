#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "act/audit_recorder.h"
#include "publish/api_server.h"
#include "publish/audit_history.h"
#include "publish/convert.h"
#include "support/audit_desk.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

std::unique_ptr<grpc::ClientContext> context()
{
    auto made = std::make_unique<grpc::ClientContext>();
    made->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return made;
}

// A server with an audit log in a folder.
struct Daemon {
    explicit Daemon(std::size_t queue = 4096, AuditFileLimits limits = {})
        : tail(kMaxAuditReaders, queue, kTooManyAuditReaders), file(desk.path(), limits)
    {
        file.on_written([this](const std::string& line) { tail.publish(line); });
        server = ApiServer::start({.operators = {socket}}, pipeline, fanout, {.audit_log = &source}).value();
        channel = grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
        audit_log = v1::AuditLogService::NewStub(channel);
    }

    AuditDesk desk;
    TemporaryFolder folder;
    std::string socket = folder.file("s");
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    AuditTail tail;
    AuditFile file;
    const AuditLogSource source{file, tail};
    AuditRecorder recorder{file, desk.clock};
    std::unique_ptr<ApiServer> server;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::AuditLogService::Stub> audit_log;
};

struct Watch {
    Watch(Daemon& daemon, const v1::WatchAuditLogRequest& request)
        : call(context()), reader(daemon.audit_log->WatchAuditLog(call.get(), request))
    {
        reader->WaitForInitialMetadata();
    }

    v1::WatchAuditLogResponse next() const
    {
        v1::WatchAuditLogResponse response;
        REQUIRE(reader->Read(&response));
        return response;
    }
    std::vector<std::uint64_t> rest()
    {
        std::vector<std::uint64_t> ids;
        v1::WatchAuditLogResponse response;
        while (reader->Read(&response)) {
            ids.push_back(response.record().id());
        }
        status = reader->Finish();
        return ids;
    }

    std::unique_ptr<grpc::ClientContext> call;
    std::unique_ptr<grpc::ClientReader<v1::WatchAuditLogResponse>> reader;
    grpc::Status status;
};

v1::WatchAuditLogRequest following(std::uint64_t last = 0)
{
    v1::WatchAuditLogRequest request;
    request.set_follow(true);
    request.set_last(last);
    return request;
}

}  // namespace

TEST_CASE("audit log: what the files have is sent, and that is all without follow", "[grpc][audit_log]")
{
    Daemon daemon(16, {.bytes = 1000, .keep = 3});
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 4; ++i) {
        ids.push_back(daemon.recorder.begin(policy_entry()).value());
    }
    Watch all(daemon, {});
    CHECK(all.rest() == ids);
    CHECK(all.status.ok());
    v1::WatchAuditLogRequest request;
    request.set_last(1);
    Watch last(daemon, request);
    CHECK(last.rest() == std::vector{ids.back()});
    request.set_policy("somebody else's");
    CHECK(Watch(daemon, request).rest().empty());
    request.set_policy("new");
    CHECK(Watch(daemon, request).rest().size() == 1);
}

TEST_CASE("audit log: from the files to what is written there is no gap, and nothing comes twice", "[grpc][audit_log]")
{
    // Files are put aside all the time meanwhile.
    Daemon daemon(1U << 16U, {.bytes = 20'000, .keep = 50});
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 20; ++i) {
        ids.push_back(daemon.recorder.begin(signal_entry()).value());
    }
    const std::size_t total = 600;
    std::jthread writer([&] {
        while (ids.size() < total) {
            ids.push_back(daemon.recorder.begin(signal_entry()).value());
        }
    });
    std::vector<std::vector<std::uint64_t>> seen(3);
    std::vector<std::jthread> readers;
    for (auto& mine : seen) {
        readers.emplace_back([&daemon, &mine] {
            auto call = context();
            const auto reader = daemon.audit_log->WatchAuditLog(call.get(), following());
            v1::WatchAuditLogResponse response;
            while (mine.size() < total && reader->Read(&response)) {
                mine.push_back(response.record().id());
            }
            call->TryCancel();
        });
    }
    readers.clear();
    writer.join();
    for (const auto& mine : seen) {
        CHECK(mine == ids);
    }
}

TEST_CASE("audit log: who follows sees what is written, by policy if wanted, until the daemon stops",
          "[grpc][audit_log]")
{
    Daemon daemon;
    REQUIRE(daemon.recorder.begin(policy_entry()));
    v1::WatchAuditLogRequest request = following();
    request.set_policy("datasets");
    Watch watch(daemon, request);
    CHECK(watch.next().record().kind() == "policy");
    DenialEntry other = denial_entry();
    other.policy = "other";
    REQUIRE(daemon.recorder.denied(other));
    REQUIRE(daemon.recorder.denied(denial_entry()));
    const auto denial = watch.next();
    CHECK(denial.record().kind() == "denial");
    CHECK(denial.record().policy() == "datasets");
    daemon.server.reset();
    CHECK(watch.rest().empty());
    CHECK(watch.status.error_code() == grpc::StatusCode::UNAVAILABLE);
    CHECK(watch.status.error_message() == "pinwardend is stopping");
}

TEST_CASE("audit log: who is slow loses records, and is told how many", "[grpc][audit_log]")
{
    Daemon daemon(4);
    Watch watch(daemon, following());
    std::uint64_t written = 0;
    while (daemon.tail.dropped() < 10) {
        REQUIRE(daemon.recorder.begin(signal_entry()));
        ++written;
    }
    std::uint64_t seen = 0;
    std::uint64_t lost = 0;
    while (lost == 0) {
        const auto response = watch.next();
        ++seen;
        lost += response.lost_before();
        // What was dropped last is told with the next.
        if (seen + lost + 4 >= written && lost == 0) {
            REQUIRE(daemon.recorder.begin(signal_entry()));
            ++written;
        }
    }
    CHECK(seen + lost <= written);
    CHECK(lost >= 1);
}

TEST_CASE("audit log: lines that are no records are counted", "[grpc][audit_log]")
{
    Daemon daemon;
    std::ofstream(daemon.desk.path())
        << "{\"time\":\nhello\n{\"time\":\"2026-11-26T04:16:53.000000005Z\",\"id\":\"x\"}\n";
    REQUIRE(daemon.recorder.begin(policy_entry()));
    std::ofstream(daemon.desk.path(), std::ios::app) << "torn";
    Watch watch(daemon, {});
    const auto record = watch.next();
    CHECK(record.skipped_before() == 3);
    CHECK(record.has_record());
    const auto end = watch.next();
    CHECK(end.skipped_before() == 1);
    CHECK_FALSE(end.has_record());
}

TEST_CASE("audit log: where there is none it says why", "[grpc][audit_log]")
{
    Daemon daemon;
    std::ofstream(daemon.folder.file("file")) << "x";
    AuditFile below_a_file(daemon.folder.file("file") + "/audit.log");
    const AuditLogSource broken{below_a_file, daemon.tail};
    const AuditLogSource* source = GENERATE_REF(static_cast<const AuditLogSource*>(nullptr), &broken);
    const std::string socket = daemon.folder.file("t");
    const auto server =
        ApiServer::start({.operators = {socket}}, daemon.pipeline, daemon.fanout, {.audit_log = source}).value();
    const auto client =
        v1::AuditLogService::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
    auto call = context();
    const auto reader = client->WatchAuditLog(call.get(), {});
    v1::WatchAuditLogResponse response;
    CHECK_FALSE(reader->Read(&response));
    const grpc::Status status = reader->Finish();
    CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    CHECK_THAT(status.error_message(),
               source == nullptr ? Catch::Equals("this pinwardend writes no audit log")
                                 : Catch::Equals("audit log " + below_a_file.path() + ": open: Not a directory"));
}

TEST_CASE("audit log: there are only so many readers", "[grpc][audit_log]")
{
    Daemon daemon;
    std::vector<std::unique_ptr<Watch>> watches;
    for (std::size_t i = 0; i < kMaxAuditReaders; ++i) {
        watches.push_back(std::make_unique<Watch>(daemon, following()));
    }
    Watch refused(daemon, {});
    CHECK(refused.rest().empty());
    CHECK(refused.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
    // One that goes makes room.
    watches.back()->call->TryCancel();
    watches.pop_back();
    while (true) {
        Watch again(daemon, {});
        CHECK(again.rest().empty());
        if (again.status.ok()) {
            break;
        }
    }
    for (const auto& watch : watches) {
        watch->call->TryCancel();
    }
}

TEST_CASE("who asks over the socket is known to be this process", "[grpc][audit_log]")
{
    Daemon daemon;
    const auto asked = [&daemon] {
        const std::scoped_lock lock(daemon.pipeline.mutex);
        const auto requester = std::exchange(daemon.pipeline.requester, std::nullopt);
        return requester && requester->uid == getuid() && requester->pid == static_cast<std::uint32_t>(getpid());
    };
    // Numbers of connections are used again.
    for (int i = 0; i < 3; ++i) {
        grpc::ChannelArguments own;
        own.SetInt("grpc.use_local_subchannel_pool", 1);
        const auto channel =
            grpc::CreateCustomChannel("unix:" + daemon.socket, grpc::InsecureChannelCredentials(), own);
        const auto policies = v1::PolicyService::NewStub(channel);
        v1::ApplyPolicyRequest apply;
        apply.set_yaml("name: keep\nmode: monitor\nmatch: {operations: [truncate]}\naction: {deny: {}}\n");
        v1::ApplyPolicyResponse applied;
        const grpc::Status status = policies->ApplyPolicy(context().get(), apply, &applied);
        INFO(status.error_message());
        REQUIRE(status.ok());
        CHECK(asked());
        v1::DeletePolicyRequest remove;
        remove.set_name("keep");
        v1::DeletePolicyResponse removed;
        REQUIRE(policies->DeletePolicy(context().get(), remove, &removed).ok());
        CHECK(asked());
        const auto holds = v1::HoldService::NewStub(channel);
        v1::ReleaseHoldRequest release;
        release.set_id(7);
        release.set_outcome(v1::OUTCOME_ALLOW);
        v1::ReleaseHoldResponse released;
        CHECK(holds->ReleaseHold(context().get(), release, &released).error_code() == grpc::StatusCode::NOT_FOUND);
        CHECK(asked());
    }
}

TEST_CASE("a line of the audit log becomes a message with all that matters", "[audit_log]")
{
    const AuditStamp stamp{.id = 1'795'666'613'000'000, .time = 1'795'666'613'000'000'005, .left_out = 3};
    SignalEntry asked = signal_entry();
    asked.asked_by = Requester{.uid = 1001, .pid = 99};
    const std::string line = begin_record(stamp, asked);
    const auto signal = audit_record_from_line(line);
    REQUIRE(signal);
    CHECK(signal->id() == stamp.id);
    CHECK(signal->time().seconds() == 1'795'666'613);
    CHECK(signal->time().nanos() == 5);
    CHECK(signal->kind() == "signal");
    CHECK(signal->phase() == "begin");
    CHECK(signal->left_out() == 3);
    CHECK(signal->policy() == "datasets");
    CHECK(signal->generation() == 3);
    CHECK(signal->rule() == "revoke.then[0]");
    CHECK(signal->action() == "SIGTERM");
    CHECK(signal->victim().pid() == 4711);
    CHECK(signal->victim().uid() == 1000);
    CHECK(signal->victim().comm() == "work\ner");
    CHECK(signal->victim().cgroup_path() == "/system.slice/worker.service");
    CHECK(signal->operation() == "truncate");
    CHECK(signal->file() == "/mnt/data/x");
    CHECK(signal->first_page() == 1);
    CHECK(signal->end_page() == 5);
    CHECK(signal->caller().pid() == 812);
    CHECK(signal->pin_count() == 2);
    CHECK(signal->pinned_bytes() == 16384);
    CHECK(signal->asked_by().uid() == 1001);
    CHECK(signal->asked_by().pid() == 99);
    CHECK(signal->json() == line);
    asked.asked_by = Requester{.certificate = "ops.example", .address = "10.0.0.1:4321"};
    const auto by_certificate = audit_record_from_line(begin_record(stamp, asked));
    REQUIRE(by_certificate);
    CHECK(by_certificate->asked_by().certificate() == "ops.example");
    CHECK(by_certificate->asked_by().address() == "10.0.0.1:4321");

    const auto change = audit_record_from_line(complete_record(
        stamp, policy_entry(), {.result = "done", .reason = "", .took = 1500, .generation = 4, .error = 0}));
    REQUIRE(change);
    CHECK(change->kind() == "policy");
    CHECK(change->action() == "apply");
    REQUIRE(change->policies_size() == 2);
    CHECK(change->policies(0).mode_before() == "monitor");
    CHECK(change->policies(1).mode_before().empty());
    CHECK(change->policies(1).mode() == "off");
    CHECK(change->generation_before() == 3);
    CHECK(change->generation() == 4);
    CHECK(change->outcome() == "done");
    CHECK(change->took().nanos() == 1500);
    CHECK_FALSE(change->has_asked_by());

    const auto release = audit_record_from_line(
        begin_record(stamp, ReleaseEntry{.hold = hold_entry(), .outcome = Outcome::kAllow, .asked_by = {}}));
    REQUIRE(release);
    CHECK(release->hold() == 7);
    CHECK(release->action() == "allow");
    CHECK(audit_record_from_line(denial_record(stamp, denial_entry()))->error() == "EBUSY");
}

TEST_CASE("lines that are no records are none", "[audit_log]")
{
    const std::string time = R"("time":"2026-11-26T04:16:53.000000005Z")";
    for (const std::string& line :
         {std::string(), std::string("{"), std::string("x"), std::string("[]"), std::string("{}"), "{" + time + "}",
          "{" + time + R"(,"id":-1,"phase":"begin"})", "{" + time + R"(,"id":1})",
          std::string(R"({"time":"yesterday","id":1,"phase":"begin"})"),
          std::string(R"({"time":5,"id":1,"phase":"begin"})"), std::string(10'000, '['),
          std::string("{\"time\":\"\xff\"}")}) {
        INFO(line.substr(0, 100));
        CHECK_FALSE(audit_record_from_line(line));
    }
    // Fields of another kind than ours say nothing.
    const auto odd = audit_record_from_line(
        "{" + time + R"(,"id":1,"phase":"begin","policy":7,"victim":[],"policies":{"a":1},"asked_by":3,"hold":1e99,)" +
        R"("action":null,"took_ns":"x"})");
    REQUIRE(odd);
    CHECK(odd->policy().empty());
    CHECK_FALSE(odd->has_victim());
    CHECK(odd->hold() == 0);
    // Of the time when there were signals only.
    CHECK(odd->kind() == "signal");
}
