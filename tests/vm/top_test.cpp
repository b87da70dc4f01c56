// pinctl top on a terminal: in tmux, whose screen is read.
#include <catch2/catch.hpp>

#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// A terminal of that size in which a command runs, on a tmux server of its own.
class Terminal {
public:
    Terminal(const std::string& command, int columns, int lines)
    {
        const Outcome started =
            run({"tmux", "-L", kServer, "-f", "/dev/null", "new-session", "-d", "-x", std::to_string(columns), "-y",
                 std::to_string(lines), command + "; echo ended with $?; cat"});
        INFO(started.out << started.err);
        REQUIRE(started.status == 0);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() { run({"tmux", "-L", kServer, "kill-server"}); }

    [[nodiscard]] static std::string screen() { return run({"tmux", "-L", kServer, "capture-pane", "-p"}).out; }
    static void press(const std::string& key) { run({"tmux", "-L", kServer, "send-keys", key}); }
    static void wait_for(const std::string& text)
    {
        eventually("the screen shows " + text, [&] { return screen().find(text) != std::string::npos; });
    }

private:
    static constexpr const char* kServer = "pinwarden-test";
};

}  // namespace

TEST_CASE("top shows who holds most, is sorted by keys, and gives the screen back")
{
    Daemon& daemon = Daemon::shared();
    Pinner large;
    large.ok("anon 1048576");
    large.ok("pin uring");
    Pinner small;
    small.ok("anon 65536");
    small.ok("pin " + Machine::instance().rdma("rw"));
    const std::string larger = std::to_string(large.pid()) + "  1.0 MiB";
    const std::string smaller = std::to_string(small.pid()) + "  64.0 KiB";
    for (const int columns : {80, 200}) {
        Terminal terminal("pinctl --socket " + daemon.socket() + " top --interval 1", columns, 24);
        Terminal::wait_for("*BYTES");
        const std::string screen = Terminal::screen();
        INFO(screen);
        CHECK(screen.find("pinwarden ") == 0);
        CHECK(screen.find("Ledger certain") != std::string::npos);
        CHECK(screen.find(larger) < screen.find(smaller));
        CHECK(screen.find(smaller) != std::string::npos);
        CHECK(screen.find("io_uring") != std::string::npos);
        Terminal::press("a");
        Terminal::wait_for("*OLDEST");
        Terminal::press("c");
        Terminal::wait_for("*CONFLICTS");
        // What comes is seen without a key.
        Pinner more;
        more.ok("anon 262144");
        more.ok("pin uring");
        Terminal::wait_for(std::to_string(more.pid()) + "  256.0 KiB");
        more.end();
        Terminal::press("q");
        Terminal::wait_for("ended with 0");
    }
    large.end();
    small.end();
    daemon.expect_nothing_pinned();
}

TEST_CASE("top says what it needs where there is no terminal")
{
    const Outcome outcome = Daemon::shared().pinctl("top");
    CHECK(outcome.status == 1);
    CHECK(outcome.err.find("top needs a terminal") != std::string::npos);
}
