// A hundred people who look at the status page at once, of a machine with ten thousand pins: the pipeline must not
// notice.
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::size_t kPins = 10'000;
constexpr std::size_t kPage = 4096;
constexpr int kViewers = 100;

// So many buffers of one page, each pinned by a call of its own.
class ManyPins {
public:
    ManyPins()
        : memory_(static_cast<std::byte*>(
              mmap(nullptr, kPins * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)))
    {
        REQUIRE(memory_ != MAP_FAILED);
        REQUIRE(io_uring_queue_init(1, &ring_, 0) == 0);
        std::vector<iovec> pieces;
        for (std::size_t i = 0; i < kPins; ++i) {
            pieces.push_back({.iov_base = memory_ + i * kPage, .iov_len = kPage});
        }
        REQUIRE(io_uring_register_buffers(&ring_, pieces.data(), static_cast<unsigned>(pieces.size())) == 0);
    }
    ManyPins(const ManyPins&) = delete;
    ManyPins& operator=(const ManyPins&) = delete;
    ~ManyPins()
    {
        // By hand, because a ring that is closed lets go later, in a worker.
        io_uring_unregister_buffers(&ring_);
        io_uring_queue_exit(&ring_);
        munmap(memory_, kPins * kPage);
    }

private:
    std::byte* memory_;
    io_uring ring_{};
};

// What the server says to one request; empty when it does not.
std::string look()
{
    const OwnedFd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(9877), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    constexpr std::string_view kRequest =
        "GET /page.json HTTP/1.1\r\nHost: localhost:9877\r\nConnection: close\r\n\r\n";
    if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        send(connection.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) {
        return {};
    }
    std::string said;
    std::array<char, 16384> part{};
    for (ssize_t got = 0; (got = recv(connection.get(), part.data(), part.size(), 0)) > 0;) {
        said.append(part.data(), static_cast<std::size_t>(got));
    }
    return said;
}

// So many people who look as often as they can, while the object lives.
class Viewers {
public:
    explicit Viewers(int count)
    {
        for (int i = 0; i < count; ++i) {
            threads_.emplace_back([this](const std::stop_token& stop) {
                while (!stop.stop_requested()) {
                    const std::string said = look();
                    const bool is_page =
                        said.starts_with("HTTP/1.1 200") && said.find("\"details\":true") != std::string::npos;
                    ++(is_page ? seen_ : refused_);
                }
            });
        }
    }
    [[nodiscard]] int seen() const { return seen_; }
    [[nodiscard]] int refused() const { return refused_; }

private:
    std::atomic<int> seen_ = 0;
    std::atomic<int> refused_ = 0;
    std::vector<std::jthread> threads_;  // end before the counters
};

// Of the thread that decides.
std::chrono::nanoseconds processor_time(pid_t daemon)
{
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(daemon) + "/task")) {
        std::string name;
        std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
        if (name == "pw-pipeline") {
            std::int64_t nanoseconds = 0;
            std::ifstream(task.path() / "schedstat") >> nanoseconds;
            return std::chrono::nanoseconds(nanoseconds);
        }
    }
    FAIL("there is no thread of that name");
    return {};
}

struct Cost {
    std::chrono::nanoseconds processor{};  // of the thread that decides
    std::chrono::nanoseconds elapsed{};
    int denials = 0;
};

// While somebody truncates what is pinned for some seconds, which must fail each time.
Cost of_denials(pid_t daemon, const std::string& file)
{
    constexpr std::chrono::seconds kLong{5};  // so that the page is looked at several times
    const auto begin = std::chrono::steady_clock::now();
    const auto before = processor_time(daemon);
    Cost cost;
    for (; cost.elapsed < kLong; cost.elapsed = std::chrono::steady_clock::now() - begin) {
        REQUIRE(try_truncate(file, 0) == EBUSY);
        ++cost.denials;
    }
    cost.processor = processor_time(daemon) - before;
    return cost;
}

}  // namespace

TEST_CASE("a hundred viewers of ten thousand pins do not slow the pipeline", "[viewers]")
{
    Daemon& daemon = Daemon::shared();
    const ManyPins many;
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api());
    eventually("all are known", [] { return Daemon::metrics().sum("pinwarden_pins") == kPins + 1; });

    Cost with_one;
    {
        const Viewers one(1);
        eventually("the page is seen", [&] { return one.seen() > 0; });
        with_one = of_denials(daemon.pid(), file.path);
        CHECK(one.refused() == 0);
    }
    const Viewers hundred(kViewers);
    eventually("everybody may have seen it", [&] { return hundred.seen() > kViewers; });
    const Cost with_hundred = of_denials(daemon.pid(), file.path);
    const auto milliseconds = [](std::chrono::nanoseconds time) { return time / std::chrono::milliseconds(1); };
    for (const Cost& cost : {with_one, with_hundred}) {
        std::printf("viewers: %lld of %lld ms, %d denials\n", static_cast<long long>(milliseconds(cost.processor)),
                    static_cast<long long>(milliseconds(cost.elapsed)), cost.denials);
    }
    std::printf("viewers: %d of them saw %d pages\n", kViewers, hundred.seen());
    // It is looked at once a second: were it for each viewer, many times as much would go to that.
    const auto each = [](const Cost& cost) { return cost.processor / cost.denials; };
    CHECK(each(with_hundred) < 2 * each(with_one));
    CHECK(hundred.refused() == 0);
    CHECK(Daemon::metrics().sum("pinwarden_pipeline_responding") == 1);
    CHECK(Daemon::metrics().sum("pinwarden_events_lost_total") == 0);
}
