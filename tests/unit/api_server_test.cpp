#include "publish/api_server.h"

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/fd.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr const char* kYaml =
    "name: keep\nmode: enforce\nmatch: {operations: [truncate], file: {path_prefixes: [/mnt]}}\naction: {deny: {errno: "
    "EPERM}}\n";

// A call that hangs is a failure, not a test that never ends.
std::unique_ptr<grpc::ClientContext> context()
{
    auto made = std::make_unique<grpc::ClientContext>();
    made->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return made;
}

struct Daemon {
    explicit Daemon(std::size_t subscribers = 4, std::size_t queue = 16) : fanout(subscribers, queue)
    {
        pipeline.pinned = {file_pin(1, 0, 16)};
        pipeline.answer = snapshot_with(pipeline.pinned);
        auto started = ApiServer::start({.operators = {socket}}, pipeline, fanout);
        REQUIRE(started);
        server = std::move(*started);
        channel = grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
        status = v1::StatusService::NewStub(channel);
        pins = v1::PinService::NewStub(channel);
        policies = v1::PolicyService::NewStub(channel);
        holds = v1::HoldService::NewStub(channel);
    }

    grpc::Status get_status() const
    {
        v1::GetStatusResponse response;
        return status->GetStatus(context().get(), {}, &response);
    }

    TemporaryFolder folder;
    std::string socket = folder.file("operator.sock");
    FakePipeline pipeline;
    Fanout fanout;
    std::unique_ptr<ApiServer> server;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::StatusService::Stub> status;
    std::unique_ptr<v1::PinService::Stub> pins;
    std::unique_ptr<v1::PolicyService::Stub> policies;
    std::unique_ptr<v1::HoldService::Stub> holds;
};

// A running WatchEvents call that is known to be subscribed.
struct Watch {
    explicit Watch(Daemon& daemon, const v1::WatchEventsRequest& request = {})
        : call(context()), reader(daemon.pins->WatchEvents(call.get(), request))
    {
        reader->WaitForInitialMetadata();
    }

    v1::WatchEventsResponse next() const
    {
        v1::WatchEventsResponse event;
        REQUIRE(reader->Read(&event));
        return event;
    }
    grpc::Status end() const
    {
        v1::WatchEventsResponse event;
        while (reader->Read(&event)) {
        }
        return reader->Finish();
    }

    std::unique_ptr<grpc::ClientContext> call;
    std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader;
};

OwnedFd bind_socket(const std::string& path)
{
    OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof(address.sun_path));
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    return fd;
}

}  // namespace

TEST_CASE("the API answers over its socket", "[grpc]")
{
    Daemon daemon;
    v1::GetStatusResponse status;
    REQUIRE(daemon.status->GetStatus(context().get(), {}, &status).ok());
    CHECK(status.version() == "0.1.0");
    CHECK(status.pid() == 77);
    CHECK(status.pins() == 1);
    CHECK(status.pinned_bytes() == 65536);

    v1::ListPinsResponse pins;
    REQUIRE(daemon.pins->ListPins(context().get(), {}, &pins).ok());
    REQUIRE(pins.pins_size() == 1);
    CHECK(pins.pins(0).owner().comm() == "rdma-demo");
}

TEST_CASE("errors of the pipeline keep their meaning", "[grpc]")
{
    struct Row {
        int code;
        grpc::StatusCode status;
    };
    Daemon daemon;
    for (const Row& row :
         {Row{EINVAL, grpc::StatusCode::INVALID_ARGUMENT}, Row{ENOENT, grpc::StatusCode::NOT_FOUND},
          Row{ETIMEDOUT, grpc::StatusCode::DEADLINE_EXCEEDED}, Row{ESHUTDOWN, grpc::StatusCode::UNAVAILABLE},
          Row{EIO, grpc::StatusCode::INTERNAL}, Row{0, grpc::StatusCode::INTERNAL}}) {
        {
            const std::scoped_lock lock(daemon.pipeline.mutex);
            daemon.pipeline.fails = Error{"what went wrong", row.code};
        }
        const grpc::Status status = daemon.get_status();
        CHECK(status.error_code() == row.status);
        CHECK(status.error_message() == "what went wrong");
    }
}

TEST_CASE("policies are applied, checked, listed by their errors, and deleted", "[grpc]")
{
    Daemon daemon;
    v1::ApplyPolicyRequest request;
    v1::ApplyPolicyResponse response;
    request.set_yaml(kYaml);

    request.set_validate_only(true);
    REQUIRE(daemon.policies->ApplyPolicy(context().get(), request, &response).ok());
    CHECK(daemon.pipeline.applied.empty());

    request.set_validate_only(false);
    REQUIRE(daemon.policies->ApplyPolicy(context().get(), request, &response).ok());
    CHECK(response.generation() == 1);
    REQUIRE(daemon.pipeline.applied.size() == 1);
    CHECK(daemon.pipeline.applied[0].deny_errno == EPERM);

    request.set_yaml("name: keep\nmode: enforcing\n");
    request.set_source("bad.yaml");
    const grpc::Status bad = daemon.policies->ApplyPolicy(context().get(), request, &response);
    CHECK(bad.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK_THAT(bad.error_message(), Catch::StartsWith("bad.yaml:2:"));

    v1::DeletePolicyRequest remove;
    v1::DeletePolicyResponse removed;
    CHECK(daemon.policies->DeletePolicy(context().get(), remove, &removed).error_code() ==
          grpc::StatusCode::INVALID_ARGUMENT);
    remove.set_name("keep");
    CHECK(daemon.policies->DeletePolicy(context().get(), remove, &removed).ok());
    CHECK(daemon.policies->DeletePolicy(context().get(), remove, &removed).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("held operations are listed and released", "[grpc]")
{
    Daemon daemon;
    v1::ListHoldsResponse list;
    REQUIRE(daemon.holds->ListHolds(context().get(), {}, &list).ok());
    CHECK(list.holds_size() == 0);

    daemon.pipeline.held = holds_with({held_truncate(3), held_truncate(5)});
    v1::ReleaseHoldRequest request;
    v1::ReleaseHoldResponse response;
    request.set_id(5);
    const grpc::Status undecided = daemon.holds->ReleaseHold(context().get(), request, &response);
    CHECK(undecided.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(undecided.error_message() == "outcome: must be OUTCOME_ALLOW or OUTCOME_DENY");
    request.set_outcome(static_cast<v1::Outcome>(9));
    CHECK(daemon.holds->ReleaseHold(context().get(), request, &response).error_code() ==
          grpc::StatusCode::INVALID_ARGUMENT);

    request.set_outcome(v1::OUTCOME_DENY);
    REQUIRE(daemon.holds->ReleaseHold(context().get(), request, &response).ok());
    REQUIRE(daemon.holds->ListHolds(context().get(), {}, &list).ok());
    REQUIRE(list.holds_size() == 2);
    CHECK(list.holds(0).verdict().empty());
    CHECK(list.holds(1).verdict() == "deny");

    request.set_outcome(v1::OUTCOME_ALLOW);
    request.set_id(7);
    const grpc::Status missing = daemon.holds->ReleaseHold(context().get(), request, &response);
    CHECK(missing.error_code() == grpc::StatusCode::NOT_FOUND);
    CHECK(missing.error_message() == "no operation is held as number 7; held are: 3, 5");
    request.clear_id();
    CHECK(daemon.holds->ReleaseHold(context().get(), request, &response).error_code() ==
          grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("a request larger than allowed is refused and harms nothing", "[grpc]")
{
    Daemon daemon;
    v1::ApplyPolicyRequest request;
    v1::ApplyPolicyResponse response;
    request.set_yaml(std::string(5U << 20U, '#'));
    CHECK(daemon.policies->ApplyPolicy(context().get(), request, &response).error_code() ==
          grpc::StatusCode::RESOURCE_EXHAUSTED);
    CHECK(daemon.get_status().ok());
}

TEST_CASE("watchers get what happens, of the kinds they asked for", "[grpc]")
{
    Daemon daemon;
    v1::WatchEventsRequest verdicts_only;
    verdicts_only.add_kinds(v1::EVENT_KIND_VERDICT);
    Watch all(daemon);
    Watch some(daemon, verdicts_only);

    daemon.fanout.publish(pinned_notice(1));
    daemon.fanout.publish(conflict_notice(PW_VERDICT_DENY, "keep"));
    daemon.fanout.publish(hold_ended_notice("pins_gone"));

    CHECK(all.next().pin().id() == 1);
    CHECK(all.next().kind() == v1::EVENT_KIND_CONFLICT);
    CHECK(all.next().kind() == v1::EVENT_KIND_VERDICT);
    CHECK(all.next().outcome() == "pins_gone");
    CHECK(some.next().conflict().policy() == "keep");
}

TEST_CASE("a watcher of its own pins gets what is about these", "[grpc]")
{
    Daemon daemon;
    v1::WatchEventsRequest own;
    own.set_own_pins(true);
    Watch watch(daemon, own);
    daemon.fanout.publish(pinned_notice(1));
    daemon.fanout.publish(conflict_notice(PW_VERDICT_DENY, "keep"));
    PinView ours = file_pin(7, 0, 16);
    ours.pin.owner.process.pid = static_cast<std::uint32_t>(getpid());
    daemon.fanout.publish({.time = 0, .boot_to_unix = 0, .what = PinnedNotice{ours}});
    CHECK(watch.next().pin().id() == 7);
    Notice begun = revocation_notice(RevocationEnd::kSpared, {released_victim(static_cast<std::uint32_t>(getpid()))});
    std::get<RevocationNotice>(begun.what).end.reset();
    daemon.fanout.publish(begun);
    CHECK(watch.next().revocation().end() == "begun");
    // Of an earlier process of the same number.
    ours.pin.owner_exited = true;
    daemon.fanout.publish({.time = 0, .boot_to_unix = 0, .what = OrphanedNotice{ours}});
    ours.pin.owner_exited = false;
    ours.pin.id = 8;
    daemon.fanout.publish({.time = 0, .boot_to_unix = 0, .what = PinnedNotice{ours}});
    CHECK(watch.next().pin().id() == 8);
}

TEST_CASE("a watcher that does not read loses events, and hears how many", "[grpc]")
{
    constexpr std::size_t kQueue = 8;
    Daemon daemon(4, kQueue);
    Watch watch(daemon);
    // Until gRPC's own buffers are full the queue is emptied; then it fills, and the rest is dropped.
    PinId published = 0;
    while (daemon.fanout.dropped() < 100) {
        daemon.fanout.publish(pinned_notice(++published));
    }
    daemon.fanout.close();

    std::uint64_t got = 0;
    std::uint64_t lost = 0;
    v1::WatchEventsResponse event;
    while (watch.reader->Read(&event)) {
        ++got;
        lost += event.lost_before();
    }
    CHECK(watch.reader->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
    CHECK(lost == daemon.fanout.dropped());
    CHECK(got + lost == published);
}

TEST_CASE("watchers are capped, and one that leaves makes room", "[grpc]")
{
    Daemon daemon(1);
    {
        Watch only(daemon);
        Watch refused(daemon);
        CHECK(refused.end().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
        only.call->TryCancel();
        CHECK(only.end().error_code() == grpc::StatusCode::CANCELLED);
    }
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (daemon.fanout.has_subscribers() && std::chrono::steady_clock::now() < patience) {
        std::this_thread::yield();
    }
    Watch again(daemon);
    daemon.fanout.publish(pinned_notice(5));
    CHECK(again.next().pin().id() == 5);
}

TEST_CASE("an unknown kind of event is refused", "[grpc]")
{
    Daemon daemon;
    v1::WatchEventsRequest request;
    request.add_kinds(v1::EVENT_KIND_UNSPECIFIED);
    CHECK(Watch(daemon, request).end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("stopping ends open streams and removes the socket", "[grpc]")
{
    Daemon daemon;
    Watch idle(daemon);
    Watch stuck(daemon);
    while (daemon.fanout.dropped() == 0) {
        daemon.fanout.publish(pinned_notice(1));
    }
    daemon.server.reset();

    CHECK_FALSE(idle.end().ok());
    CHECK_FALSE(stuck.end().ok());
    CHECK_FALSE(std::filesystem::exists(daemon.socket));
    CHECK_FALSE(daemon.fanout.has_subscribers());
}

TEST_CASE("the socket is for its owner only, in a folder that is made for it", "[grpc]")
{
    const TemporaryFolder folder;
    const std::string socket = folder.file("run/operator.sock");
    FakePipeline pipeline;
    Fanout fanout(1, 1);
    const mode_t before = ::umask(0);
    const auto server = ApiServer::start({.operators = {socket}}, pipeline, fanout);
    ::umask(before);
    REQUIRE(server);

    struct stat status{};
    REQUIRE(::stat(socket.c_str(), &status) == 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 07777U) == 0600);
    REQUIRE(::stat(folder.file("run").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0755);
}

TEST_CASE("a live server keeps its socket, a dead one's is taken over", "[grpc]")
{
    FakePipeline pipeline;
    Fanout fanout(1, 1);
    SECTION("live")
    {
        Daemon daemon;
        const auto second = ApiServer::start({.operators = {daemon.socket}}, pipeline, fanout);
        REQUIRE_FALSE(second);
        CHECK(second.error().message ==
              "socket " + daemon.socket +
                  " is already served by another pinwardend; stop it, or choose another place with "
                  "--socket or --reader-socket");
        CHECK(daemon.get_status().ok());
    }
    SECTION("dead")
    {
        const TemporaryFolder folder;
        bind_socket(folder.file("s")).reset();
        CHECK(ApiServer::start({.operators = {folder.file("s")}}, pipeline, fanout));
    }
    SECTION("not a socket")
    {
        const TemporaryFolder folder;
        std::ofstream(folder.file("s")) << "precious";
        const auto refused = ApiServer::start({.operators = {folder.file("s")}}, pipeline, fanout);
        REQUIRE_FALSE(refused);
        CHECK_THAT(refused.error().message, Catch::Contains("is not a socket"));
        CHECK(std::filesystem::file_size(folder.file("s")) == 8);
    }
    SECTION("path too long")
    {
        const auto refused = ApiServer::start({.operators = {"/tmp/" + std::string(200, 'x')}}, pipeline, fanout);
        REQUIRE_FALSE(refused);
        CHECK_THAT(refused.error().message, Catch::Contains("must have 1 to 107 bytes"));
    }
    SECTION("somebody else's socket is not removed at the end")
    {
        const TemporaryFolder folder;
        auto server = ApiServer::start({.operators = {folder.file("s")}}, pipeline, fanout);
        REQUIRE(server);
        std::filesystem::remove(folder.file("s"));
        const OwnedFd other = bind_socket(folder.file("s"));
        server->reset();
        CHECK(std::filesystem::exists(folder.file("s")));
    }
}
