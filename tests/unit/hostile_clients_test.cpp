// The API among clients that say nothing, do not read, or talk nonsense.
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "publish/api_server.h"
#include "support/hostile_clients.h"
#include "support/publish_fixtures.h"
#include "support/stuck_client.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{300};
constexpr milliseconds kLong{20'000};

struct Served {
    explicit Served(const ApiLimits& limits = {})
    {
        pipeline.answer = snapshot_with(pipeline.pinned);
        auto started = ApiServer::start({.operators = {socket}}, pipeline, fanout, {}, limits);
        REQUIRE(started);
        server = std::move(*started);
    }

    [[nodiscard]] grpc::Status get_status(const std::shared_ptr<grpc::Channel>& channel) const
    {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + kLong);
        v1::GetStatusResponse response;
        return v1::StatusService::NewStub(channel)->GetStatus(&context, {}, &response);
    }
    [[nodiscard]] grpc::Status get_status() const { return get_status(own_channel(socket)); }

    TemporaryFolder folder;
    std::string socket = folder.file("operator.sock");
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    std::unique_ptr<ApiServer> server;
};

}  // namespace

TEST_CASE("who connects and says nothing, or not all, is not waited for", "[grpc][hostile]")
{
    const Served served({.connections = {.patience = kPatience}});
    const RawConnection silent(served.socket);
    const RawConnection half(served.socket);
    half.send(kPreface.substr(0, kPreface.size() / 2));
    CHECK(silent.is_closed(kLong));
    CHECK(half.is_closed(kLong));
    CHECK(served.get_status().ok());
}

TEST_CASE("who says something that is no HTTP/2 is not served", "[grpc][hostile]")
{
    const Served served;
    for (const std::string& said :
         {std::string("GET / HTTP/1.1\r\n\r\n"), kPreface.substr(0, 4) + "!", std::string(1000, '\0')}) {
        const RawConnection connection(served.socket);
        connection.send(said);
        CHECK(connection.is_closed(kLong));
    }
    CHECK(served.get_status().ok());
}

TEST_CASE("what begins properly in pieces is served", "[grpc][hostile]")
{
    const Served served;
    const RawConnection connection(served.socket);
    for (const char one : kPreface) {
        connection.send(std::string(1, one));
    }
    connection.send(frame(4, 0, 0, ""));
    CHECK_FALSE(connection.is_closed(kPatience));
}

TEST_CASE("of many silent connections the oldest makes room", "[grpc][hostile]")
{
    const Served served({.connections = {.silent = 3}});
    std::deque<RawConnection> silent;
    for (int i = 0; i < 5; ++i) {
        silent.emplace_back(served.socket);
    }
    CHECK(silent[0].is_closed(kLong));
    CHECK(silent[1].is_closed(kLong));
    CHECK_FALSE(silent[2].is_closed());
    CHECK_FALSE(silent[4].is_closed());
    CHECK(served.get_status().ok());
}

TEST_CASE("there are no more connections than there is room for, and room again when one ends", "[grpc][hostile]")
{
    const Served served({.connections = {.served = 2}});
    auto first = own_channel(served.socket);
    const auto second = own_channel(served.socket);
    REQUIRE(served.get_status(first).ok());
    REQUIRE(served.get_status(second).ok());
    CHECK(served.get_status().error_code() == grpc::StatusCode::UNAVAILABLE);
    CHECK(served.get_status(second).ok());
    first.reset();
    const auto until = std::chrono::steady_clock::now() + kLong;
    while (!served.get_status().ok()) {
        REQUIRE(std::chrono::steady_clock::now() < until);
    }
}

TEST_CASE("a connection that never calls is ended", "[grpc][hostile]")
{
    const Served served({.idle = kPatience});
    const RawConnection half(served.socket);
    half.send(kPreface + frame(4, 0, 0, "").substr(0, 5));
    const RawConnection idle(served.socket);
    idle.send(kPreface + frame(4, 0, 0, ""));
    CHECK(idle.is_closed(kLong));
    CHECK(half.is_closed(kLong));
    CHECK(served.get_status().ok());
}

TEST_CASE("10,000 requests of random bytes change nothing", "[grpc][hostile]")
{
    const auto seed = std::random_device()();
    std::cout << "hostile clients: seed " << seed << '\n';
    std::mt19937_64 random(seed);
    const Served served;
    const auto channel = own_channel(served.socket);
    throw_bytes(served.socket, random, 2000);
    throw_requests(channel, random, 8000);
    CHECK(served.get_status(channel).ok());
    CHECK(served.get_status().ok());
    CHECK_FALSE(served.fanout.has_subscribers());
}

TEST_CASE("a message that is too large is refused, and said to be", "[grpc][hostile]")
{
    const Served served;
    const auto channel = own_channel(served.socket);
    constexpr std::size_t kTooLarge = (4U << 20U) + 1;
    RawCall call(channel, "/pinwarden.v1.PolicyService/ApplyPolicy", std::string(kTooLarge, 'x'));
    const grpc::Status status = call.end();
    CHECK(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
    CHECK_THAT(status.error_message(), Catch::Contains("larger than max"));
    CHECK(served.get_status(channel).ok());
}

TEST_CASE("who takes no answers keeps nobody waiting, and is not waited for", "[grpc][hostile]")
{
    constexpr std::size_t kCalls = 60;
    const Served served({.calls = {.threads = 2, .patience = kPatience}});
    StuckClient stuck(served.socket);
    for (std::size_t i = 0; i < kCalls; ++i) {
        stuck.ask("/pinwarden.v1.StatusService/GetStatus");
    }
    CHECK(served.get_status().ok());
    CHECK(stuck.given_up(kCalls, kLong) == kCalls);
    CHECK(served.get_status().ok());
}

TEST_CASE("answers that nobody takes make room for others before their time", "[grpc][hostile]")
{
    constexpr std::size_t kCalls = 20;
    const Served served({.calls = {.untaken_bytes = 1, .patience = kLong * 10}});
    StuckClient stuck(served.socket);
    for (std::size_t i = 0; i < kCalls; ++i) {
        stuck.ask("/pinwarden.v1.StatusService/GetStatus");
    }
    // The newest stays: it is alone.
    CHECK(stuck.given_up(kCalls - 1, kLong) == kCalls - 1);
    CHECK(served.get_status().ok());
}

TEST_CASE("the server ends though answers are not taken", "[grpc][hostile]")
{
    Served served({.calls = {.patience = kLong * 10}});
    StuckClient stuck(served.socket);
    stuck.ask("/pinwarden.v1.StatusService/GetStatus");
    CHECK(served.get_status().ok());
    served.server.reset();
    CHECK(stuck.given_up(1, kPatience) <= 1);
}
