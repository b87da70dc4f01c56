// The status page over HTTP: what it shows to whom, and what it costs.
#include <arpa/inet.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "publish/conflict_history.h"
#include "publish/metrics_server.h"
#include "publish/viewer.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

struct Answer {
    int status = 0;
    std::string head;
    std::string body;

    [[nodiscard]] bool has(const std::string& line) const { return head.find(line + "\r\n") != std::string::npos; }
    [[nodiscard]] std::string field(const std::string& name) const
    {
        const std::size_t at = head.find("\r\n" + name + ": ");
        const std::size_t begin = at + name.size() + 4;
        return at == std::string::npos ? "" : head.substr(begin, head.find("\r\n", begin) - begin);
    }
};

OwnedFd connect_to(const std::string& address)
{
    OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
        throw std::runtime_error("cannot connect to " + address);
    }
    return fd;
}

Answer ask(const std::string& address, const std::string& path, const std::string& more = "Host: localhost\r\n",
           const std::string& method = "GET")
{
    const OwnedFd fd = connect_to(address);
    const std::string request = method + " " + path + " HTTP/1.1\r\n" + more + "\r\n";
    [[maybe_unused]] const ssize_t sent = ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    std::string text;
    std::array<char, 65536> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) {
        return {};
    }
    return {.status = std::stoi(text.substr(text.find(' ') + 1)),
            .head = text.substr(0, end + 2),
            .body = text.substr(end + 4)};
}

google::protobuf::Struct parsed(const std::string& json)
{
    google::protobuf::Struct object;
    REQUIRE(google::protobuf::util::JsonStringToMessage(json, &object).ok());
    return object;
}

struct Site {
    Site()
    {
        pipeline.answer = snapshot_with(pipeline.pinned);
        pipeline.pinned = {file_pin(1, 0, 16)};
        ConflictView view;
        view.conflict.operation.verdict = PW_VERDICT_DENY;
        view.conflict.path = "/mnt/secret/plan";
        view.policy = "datasets";
        view.reason = "1 pin of /mnt/secret/plan";
        PastConflict conflict;
        conflict.time = 100 * kSecond;
        conflict.what = std::move(view);
        conflicts.add(std::move(conflict));
        auto started = MetricsServer::start("127.0.0.1:0", pipeline, {.conflicts = &conflicts});
        REQUIRE(started);
        server = std::move(*started);
    }
    [[nodiscard]] const std::string& address() const { return server->address(); }

    FakePipeline pipeline;
    ConflictHistory conflicts;
    std::unique_ptr<MetricsServer> server;
};

// What a process of that user is told; empty when there can be none.
std::string page_as(uid_t user, const std::string& address)
{
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setresuid(user, user, user) == 0) {
            const std::string body = ask(address, "/page.json").body;
            [[maybe_unused]] const ssize_t written = ::write(ends[1], body.data(), body.size());
        }
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string body;
    std::array<char, 65536> buffer{};
    for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
        body.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return body;
}

}  // namespace

TEST_CASE("the page and its files are served, with nothing from elsewhere", "[page]")
{
    const Site site;
    for (const char* path : {"/", "/page.css", "/page.js", "/icon.svg"}) {
        INFO(path);
        const Answer answer = ask(site.address(), path);
        CHECK(answer.status == 200);
        CHECK(answer.head.find("Content-Security-Policy: default-src 'none'; script-src 'self';") != std::string::npos);
        CHECK(answer.has("X-Content-Type-Options: nosniff"));
        CHECK(answer.has("Cross-Origin-Resource-Policy: same-origin"));
        CHECK(answer.field("Content-Length") == std::to_string(answer.body.size()));
        CHECK(answer.body.find("http://") == answer.body.find("http://www.w3.org/2000/svg"));
        CHECK(answer.body.find("https://") == std::string::npos);
    }
    CHECK(ask(site.address(), "/").field("Content-Type") == "text/html; charset=utf-8");
    CHECK(ask(site.address(), "/", "Host: localhost\r\n", "HEAD").body.empty());
    CHECK(ask(site.address(), "/", "Host: localhost\r\n", "POST").status == 405);
    CHECK(ask(site.address(), "/nothing").status == 404);
    CHECK(ask(site.address(), "/../../etc/passwd").status == 404);
}

TEST_CASE("the page's numbers are the API's", "[page]")
{
    const Site site;
    const Answer answer = ask(site.address(), "/page.json");
    REQUIRE(answer.status == 200);
    CHECK(answer.field("Content-Type") == "application/json");
    const auto page = parsed(answer.body);
    CHECK(page.fields().at("details").bool_value());
    CHECK(page.fields().at("status").struct_value().fields().at("ledger_certain").bool_value());
    CHECK(page.fields().at("by_driver").struct_value().fields().at("total_pins").string_value() == "1");
    CHECK(page.fields().at("conflicts").struct_value().fields().at("conflicts").list_value().values_size() == 1);
    CHECK(answer.body.find("/mnt/secret/plan") != std::string::npos);
    CHECK(answer.body.find("rdma-demo") != std::string::npos);
    const Answer again =
        ask(site.address(), "/page.json", "Host: localhost\r\nIf-None-Match: " + answer.field("ETag") + "\r\n");
    // Unless a second has passed.
    CHECK((again.status == 304 || again.field("ETag") != answer.field("ETag")));
}

TEST_CASE("who may not read the API sees no names", "[page]")
{
    constexpr uid_t kNobody = 65534;
    if (::geteuid() != 0) {
        WARN("only root can try this as another user");
        return;
    }
    const Site site;
    const std::string body = page_as(kNobody, site.address());
    const auto page = parsed(body);
    CHECK_FALSE(page.fields().at("details").bool_value());
    CHECK(page.fields().at("details_hint").string_value().find("pinctl") != std::string::npos);
    CHECK_FALSE(page.fields().contains("by_file"));
    CHECK_FALSE(page.fields().contains("by_owner"));
    CHECK(page.fields().at("by_driver").struct_value().fields().at("total_pins").string_value() == "1");
    CHECK(body.find("\"verdict\":\"deny\"") != std::string::npos);
    CHECK(body.find("/mnt/") == std::string::npos);
    CHECK(body.find("rdma-demo") == std::string::npos);
}

TEST_CASE("a web site that calls itself by another name gets nothing", "[page]")
{
    const Site site;
    for (const char* host : {"Host: evil.example\r\n", "Host: evil.example:9877\r\n", ""}) {
        INFO(host);
        CHECK(ask(site.address(), "/page.json", host).status >= 400);
        CHECK(ask(site.address(), "/", host).status >= 400);
    }
    CHECK(ask(site.address(), "/", "Host: 127.0.0.1:1\r\n").status == 200);
    CHECK(ask(site.address(), "/", "Host: [::1]:1\r\n").status == 200);
    // Prometheus may call the machine whatever it likes.
    CHECK(ask(site.address(), "/metrics", "Host: node7:9877\r\n").status == 200);
}

TEST_CASE("however many look, the pipeline is asked once a second", "[page]")
{
    constexpr int kViewers = 100;
    constexpr int kLooks = 5;
    Site site;
    const auto begun = std::chrono::steady_clock::now();
    std::vector<std::thread> viewers;
    std::atomic<int> served = 0;
    for (int i = 0; i < kViewers; ++i) {
        viewers.emplace_back([&] {
            for (int look = 0; look < kLooks; ++look) {
                served += ask(site.address(), "/page.json").status == 200 ? 1 : 0;
            }
        });
    }
    for (std::thread& viewer : viewers) {
        viewer.join();
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begun).count();
    CHECK(served == kViewers * kLooks);
    CHECK(site.pipeline.snapshots_asked <= seconds + 1);
}

TEST_CASE("a pipeline that does not answer is said, and the page recovers", "[page]")
{
    Site site;
    {
        const std::scoped_lock lock(site.pipeline.mutex);
        site.pipeline.fails = Error{"too slow", ETIMEDOUT};
    }
    const Answer answer = ask(site.address(), "/page.json");
    CHECK(answer.status == 503);
    CHECK_THAT(answer.body, Catch::Contains("too slow"));
    {
        const std::scoped_lock lock(site.pipeline.mutex);
        site.pipeline.fails.reset();
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (ask(site.address(), "/page.json").status != 200) {
        REQUIRE(std::chrono::steady_clock::now() < until);
    }
}

TEST_CASE("whose connection it is: the kernel tells, of what runs over loopback", "[page]")
{
    const OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    HttpAddress served = parse_http_address("127.0.0.1:0").value();
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&served.socket), served.socket_bytes) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    sockaddr_in bound{};
    socklen_t length = sizeof(bound);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &length) == 0);
    served.port = ntohs(bound.sin_port);
    OwnedFd client = connect_to(served.text());
    sockaddr_in own{};
    length = sizeof(own);
    REQUIRE(::getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &length) == 0);
    const HttpPeer peer{.address = "127.0.0.1", .port = ntohs(own.sin_port)};
    CHECK(user_of(peer, served) == ::getuid());
    CHECK_FALSE(user_of({.address = "127.0.0.1", .port = 1}, served));
    CHECK_FALSE(user_of({.address = "192.0.2.1", .port = peer.port}, served));
    CHECK_FALSE(user_of({.address = "nonsense", .port = peer.port}, served));
    CHECK_FALSE(user_of(peer, parse_http_address("0.0.0.0:9877").value()));
    client.reset();
    CHECK_FALSE(user_of(peer, served));
}
