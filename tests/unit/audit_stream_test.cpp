// Audits that tell how far they are, and that end when nobody waits for them.
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/audit_call.h"
#include "publish/api_server.h"
#include "publish/audit_service.h"
#include "support/engine_world.h"
#include "support/error_details.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::chrono::seconds kPatience{20};

bool soon(const std::function<bool()>& holds)
{
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

struct Served {
    Served()
    {
        pipeline.found.report.whole_memory = true;
        pipeline.found.report.ledger_pages = 7;
        server = ApiServer::start({.operators = {socket}}, pipeline, fanout).value();
        audits = v1::AuditService::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
    }

    int begun()
    {
        const std::scoped_lock lock(pipeline.mutex);
        return pipeline.audits_begun;
    }
    int given_up()
    {
        const std::scoped_lock lock(pipeline.mutex);
        return pipeline.audits_given_up;
    }

    TemporaryFolder folder;
    std::string socket = folder.file("s");
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    std::unique_ptr<ApiServer> server;
    std::unique_ptr<v1::AuditService::Stub> audits;
};

// A StreamAudit call.
struct Stream {
    explicit Stream(Served& served, const v1::StreamAuditRequest& request = {},
                    std::chrono::milliseconds patience = kPatience)
    {
        context.set_deadline(std::chrono::system_clock::now() + patience);
        reader = served.audits->StreamAudit(&context, request);
    }

    std::vector<v1::StreamAuditResponse> all()
    {
        std::vector<v1::StreamAuditResponse> read;
        v1::StreamAuditResponse response;
        while (reader->Read(&response)) {
            read.push_back(response);
        }
        return read;
    }

    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::StreamAuditResponse>> reader;
};

}  // namespace

TEST_CASE("an audit is streamed as its progress, then its result", "[grpc][audit_stream]")
{
    Served served;
    served.pipeline.steps = {{AuditPhase::kWaiting, 0, 1},  {AuditPhase::kLedger, 3, 10}, {AuditPhase::kMemory, 5, 50},
                             {AuditPhase::kSettling, 0, 2}, {AuditPhase::kOwners, 4, 90}, {AuditPhase::kRepair, 1, 2}};
    v1::StreamAuditRequest request;
    request.mutable_audit()->set_ledger_only(true);
    request.mutable_audit()->set_repair(true);
    Stream stream(served, request);
    const auto all = stream.all();
    CHECK(stream.reader->Finish().ok());
    CHECK_FALSE(served.pipeline.asked.whole_memory);
    CHECK(served.pipeline.asked.repair);
    REQUIRE(all.size() == 7);
    for (int phase = v1::AUDIT_PHASE_WAITING; phase <= v1::AUDIT_PHASE_REPAIR; ++phase) {
        CHECK(all[static_cast<std::size_t>(phase - v1::AUDIT_PHASE_WAITING)].progress().phase() == phase);
    }
    CHECK(all[1].progress().done() == 3);
    CHECK(all[1].progress().total() == 10);
    CHECK(all[6].result().ledger_pages() == 7);
}

TEST_CASE("a census is streamed the same way, and refused where memory cannot be walked", "[grpc][audit_stream]")
{
    Served served;
    served.pipeline.steps = {{AuditPhase::kMemory, 5, 50}};
    served.pipeline.found.report.whole_memory = GENERATE(true, false);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    v1::StreamCensusRequest request;
    request.mutable_census()->set_look_only(true);
    const auto reader = served.audits->StreamCensus(&context, request);
    v1::StreamCensusResponse response;
    REQUIRE(reader->Read(&response));
    CHECK(response.progress().total() == 50);
    const bool more = reader->Read(&response);
    const grpc::Status status = reader->Finish();
    CHECK_FALSE(served.pipeline.asked.repair);
    if (served.pipeline.found.report.whole_memory) {
        CHECK(more);
        CHECK(response.has_result());
        CHECK(status.ok());
    } else {
        CHECK_FALSE(more);
        CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    }
}

TEST_CASE("an audit is given up when its call is cancelled or its time is up", "[grpc][audit_stream]")
{
    Served served;
    served.pipeline.endless_audit = true;
    served.pipeline.steps = {{AuditPhase::kMemory, 5, 50}};
    SECTION("cancelled")
    {
        Stream stream(served);
        v1::StreamAuditResponse response;
        REQUIRE(stream.reader->Read(&response));
        CHECK(served.given_up() == 0);
        stream.context.TryCancel();
        CHECK(stream.reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
    }
    SECTION("time is up")
    {
        Stream stream(served, {}, std::chrono::milliseconds(300));
        CHECK(stream.all().size() <= 1);
        CHECK(stream.reader->Finish().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
    }
    SECTION("time is up, of one that is not streamed")
    {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
        v1::RunAuditResponse response;
        CHECK(served.audits->RunAudit(&context, {}, &response).error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
    }
    CHECK(soon([&] { return served.begun() == 1 && served.given_up() == 1; }));
}

TEST_CASE("only so many audits are waited for at a time", "[grpc][audit_stream]")
{
    Served served;
    served.pipeline.endless_audit = true;
    std::vector<std::unique_ptr<Stream>> streams;
    for (std::size_t i = 0; i < AuditService::kMostRuns; ++i) {
        streams.push_back(std::make_unique<Stream>(served));
    }
    REQUIRE(soon([&] { return served.begun() == static_cast<int>(AuditService::kMostRuns); }));
    Stream refused(served);
    CHECK(refused.all().empty());
    const grpc::Status status = refused.reader->Finish();
    CHECK(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
    CHECK(detail_of<google::rpc::ErrorInfo>(status).reason() == "TOO_MANY");
    // A place is free again once somebody has gone.
    streams.front()->context.TryCancel();
    REQUIRE(soon([&] { return served.given_up() == 1; }));
    REQUIRE(soon([&] {
        const int before = served.begun();
        auto next = std::make_unique<Stream>(served);
        next->context.TryCancel();
        next->all();
        return served.begun() > before;
    }));
    for (auto& stream : streams) {
        stream->context.TryCancel();
        stream->all();
    }
}

TEST_CASE("whoever waits for an audit hears of its progress, on its own thread, and its result", "[audit_stream]")
{
    const std::atomic<bool> stopping = false;
    const auto call = AuditCall::make();
    const auto watch = call->watch();
    std::promise<void> heard;
    std::vector<AuditProgress> told;
    const auto self = std::this_thread::get_id();
    std::jthread pipeline([&, done = call->done()] {
        watch.progress({AuditPhase::kLedger, 1, 2});
        heard.get_future().wait();
        AuditView view;
        view.certain = true;
        done(view);
    });
    const auto view = call->wait({.progress =
                                      [&](const AuditProgress& progress) {
                                          CHECK(std::this_thread::get_id() == self);
                                          told.push_back(progress);
                                          heard.set_value();
                                      },
                                  .wanted = {}},
                                 kPatience, stopping);
    REQUIRE(view);
    CHECK(view->certain);
    CHECK(told == std::vector<AuditProgress>{{AuditPhase::kLedger, 1, 2}});
}

TEST_CASE("of an audit that is over at once its progress is told before its result", "[audit_stream]")
{
    const std::atomic<bool> stopping = false;
    const auto call = AuditCall::make();
    call->watch().progress({AuditPhase::kMemory, 1, 2});
    call->done()(AuditView{});
    std::vector<AuditProgress> told;
    const AuditWatch watch{.progress = [&](const AuditProgress& progress) { told.push_back(progress); }, .wanted = {}};
    REQUIRE(call->wait(watch, kPatience, stopping));
    CHECK(told == std::vector<AuditProgress>{{AuditPhase::kMemory, 1, 2}});
}

TEST_CASE("an audit that nobody waits for is not wanted any more", "[audit_stream]")
{
    std::atomic<bool> stopping = false;
    const auto call = AuditCall::make();
    const auto watch = call->watch();
    REQUIRE(watch.wanted());
    SECTION("it was given up")
    {
        CHECK(call->wait({.progress = {}, .wanted = [] { return false; }}, kPatience, stopping).error().code ==
              ECANCELED);
    }
    SECTION("it takes too long")
    {
        CHECK(call->wait({}, std::chrono::seconds(0), stopping).error().code == ETIMEDOUT);
    }
    SECTION("the daemon stops")
    {
        stopping = true;
        CHECK(call->wait({}, kPatience, stopping).error().code == ESHUTDOWN);
    }
    CHECK_FALSE(watch.wanted());
    // The pipeline may find out later.
    call->done()(AuditView{});
}

TEST_CASE("the engine tells how far an audit is, and who waits for which", "[audit_stream]")
{
    World world;
    world.pin_file();
    world.truth.pin({100, 12});
    std::vector<AuditProgress> first;
    std::vector<AuditProgress> second;
    int ended = 0;
    const auto done = [&ended](const Result<AuditView>& view) { ended += view ? 1 : 0; };
    world.engine.audit({}, done, {.progress = [&](const auto& progress) { first.push_back(progress); }, .wanted = {}});
    world.engine.audit({}, done, {.progress = [&](const auto& progress) { second.push_back(progress); }, .wanted = {}});
    REQUIRE(second.size() == 1);
    CHECK(second.front() == AuditProgress{AuditPhase::kWaiting, 0, 1});
    world.finish_audits();
    CHECK(ended == 2);
    REQUIRE(first.size() >= 3);
    CHECK(first.front().phase == AuditPhase::kLedger);
    CHECK(first.front().total > 0);
    const auto memory = std::ranges::find(first, AuditPhase::kMemory, &AuditProgress::phase);
    REQUIRE(memory != first.end());
    CHECK(memory->total == world.truth.limit());
    CHECK(first.back().phase == AuditPhase::kSettling);
    CHECK(second.size() > first.size());
}

TEST_CASE("an audit that only looks is dropped when it is not wanted any more; one that repairs is not",
          "[audit_stream]")
{
    World world;
    world.pin_file();
    world.truth.pin({100, 12});
    const bool repair = GENERATE(false, true);
    std::vector<std::string> ended;
    bool wanted = true;
    const auto done = [&ended](const std::string& name) {
        return [&ended, name](const Result<AuditView>& view) {
            ended.push_back(name + (view ? " done" : view.error().code == ECANCELED ? " given up" : " failed"));
        };
    };
    world.engine.audit({.repair = repair}, done("first"), {.progress = {}, .wanted = [&] { return wanted; }});
    world.engine.audit({.repair = repair}, done("second"), {.progress = {}, .wanted = [&] { return wanted; }});
    world.engine.audit({}, done("third"));
    world.engine.step_audit();
    CHECK(ended.empty());
    wanted = false;
    world.finish_audits();
    // The second had not begun.
    CHECK(std::ranges::find(ended, repair ? "first done" : "first given up") != ended.end());
    CHECK(std::ranges::find(ended, "second given up") != ended.end());
    CHECK(ended.back() == "third done");
    CHECK(ended.size() == 3);
}
