#include "app/service_notify.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/fd.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;
using namespace std::chrono_literals;

namespace {

class Variable {
public:
    Variable(std::string name, const std::string& value) : name_(std::move(name))
    {
        setenv(name_.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): nobody reads it yet
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { unsetenv(name_.c_str()); }  // NOLINT(concurrency-mt-unsafe): nor any more

private:
    std::string name_;
};

// Hears what systemd would.
class ServiceManager {
public:
    explicit ServiceManager(std::chrono::microseconds watchdog)
        : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
          notify_("NOTIFY_SOCKET", folder_.file("notify")),
          watchdog_("WATCHDOG_USEC", std::to_string(watchdog.count())),
          watched_("WATCHDOG_PID", std::to_string(getpid()))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = folder_.file("notify");
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how the socket API is made
        REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    }

    // The next message; fails after twenty seconds.
    std::string next()
    {
        constexpr int kPatience = 20'000;
        pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        REQUIRE(poll(&waiting, 1, kPatience) == 1);
        std::array<char, 4096> text{};
        const ssize_t got = recv(socket_.get(), text.data(), text.size(), 0);
        REQUIRE(got > 0);
        return {text.data(), static_cast<std::size_t>(got)};
    }

    // The next one that differs from `from`.
    std::string change(const std::string& from)
    {
        std::string message = from;
        while (message == from) {
            message = next();
        }
        return message;
    }

private:
    TemporaryFolder folder_;
    OwnedFd socket_;
    Variable notify_;
    Variable watchdog_;
    Variable watched_;
};

const HookState kAttached{"pin_user_pages", "acquire", true, "", 0};

}  // namespace

TEST_CASE("the pipeline is asked three times before the watchdog bites, and every ten seconds otherwise", "[service]")
{
    CHECK(look_every(30s) == 10s);
    CHECK(look_every(3s) == 1s);
    CHECK(look_every(300s) == 10s);
    CHECK(look_every(std::nullopt) == 10s);
}

TEST_CASE("a service manager hears of the start and the stop, and the watchdog is fed by answers only", "[service]")
{
    ServiceManager manager(30ms);
    FakePipeline pipeline;
    pipeline.answer.hooks = {kAttached};
    pipeline.answer.pin_count = 3;
    pipeline.answer.pinned_bytes = 12288;
    ServiceNotifier service(pipeline);
    CHECK(manager.next() == "READY=1");
    const std::string well = manager.next();
    CHECK(well == "WATCHDOG=1\nSTATUS=3 pins of 12288 bytes, 0 operations held, 0 policies, 0 of them enforced");

    const auto now = [&pipeline](std::optional<Error> fails) {
        const std::scoped_lock lock(pipeline.mutex);
        pipeline.fails = std::move(fails);
    };
    now(Error{"the pipeline did not answer within 5 seconds", ETIMEDOUT});
    const std::string stalled = manager.change(well);
    CHECK(stalled == "STATUS=Does not work: the pipeline did not answer within 5 seconds");
    for (int i = 0; i < 3; ++i) {
        CHECK(manager.next() == stalled);
    }
    now({});
    CHECK(manager.change(stalled) == well);

    service.stopping();
    CHECK(manager.change(well) == "STOPPING=1\nSTATUS=Letting go whoever is held");
}

TEST_CASE("a hook that is lost is told, and is no reason to end the daemon", "[service]")
{
    ServiceManager manager(30ms);
    FakePipeline pipeline;
    pipeline.answer.hooks = {kAttached};
    ServiceNotifier service(pipeline);
    CHECK(manager.next() == "READY=1");
    const std::string well = manager.next();
    {
        const std::scoped_lock lock(pipeline.mutex);
        pipeline.answer.hooks.front().attached = false;
    }
    const std::string message = manager.change(well);
    CHECK(message.starts_with("WATCHDOG=1\n"));
    CHECK(message.find("pin_user_pages") != std::string::npos);
}

TEST_CASE("a service manager hears when the configuration is read again, and when that is over", "[service]")
{
    ServiceManager manager(60s);
    ServiceNotifier::reloading();
    const std::string told = manager.next();
    INFO(told);
    constexpr std::string_view kBegins = "RELOADING=1\nMONOTONIC_USEC=";
    REQUIRE(told.starts_with(kBegins));
    CHECK(std::stoull(told.substr(kBegins.size())) > 0);
    ServiceNotifier::reloaded();
    CHECK(manager.next() == "READY=1");
}

TEST_CASE("without a service manager the pipeline is not asked", "[service]")
{
    FakePipeline pipeline;
    // Whoever asks waits for this, and would be waited for.
    const std::scoped_lock busy(pipeline.mutex);
    ServiceNotifier service(pipeline);
    service.stopping();
    SUCCEED("nobody asked");
}

TEST_CASE("the journal is recognised by its file, not by the variable alone", "[service]")
{
    struct stat status{};
    REQUIRE(fstat(STDERR_FILENO, &status) == 0);
    const auto named = [](dev_t device, ino_t inode) { return std::to_string(device) + ":" + std::to_string(inode); };
    CHECK_FALSE(stderr_is_journal());
    {
        const Variable other("JOURNAL_STREAM", named(status.st_dev, status.st_ino + 1));
        CHECK_FALSE(stderr_is_journal());
    }
    const Variable same("JOURNAL_STREAM", named(status.st_dev, status.st_ino));
    CHECK(stderr_is_journal());
}
