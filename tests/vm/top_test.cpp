// pinctl top on a terminal: in tmux, whose screen is read.
#include <catch2/catch.hpp>

#include <sstream>
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
        // A server that is told to end takes a moment.
        : server_("pinwarden-test-" + std::to_string(columns))
    {
        const Outcome started =
            run({"tmux", "-L", server_, "-f", "/dev/null", "new-session", "-d", "-x", std::to_string(columns), "-y",
                 std::to_string(lines), command + "; echo ended with $?; cat"});
        INFO(started.out << started.err);
        REQUIRE(started.status == 0);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() { run({"tmux", "-L", server_, "kill-server"}); }

    [[nodiscard]] std::string screen() const { return run({"tmux", "-L", server_, "capture-pane", "-p"}).out; }
    void press(const std::string& key) const { run({"tmux", "-L", server_, "send-keys", key}); }
    void wait_for(const std::string& text) const
    {
        eventually("the screen shows " + text, [&] { return screen().find(text) != std::string::npos; });
    }

private:
    std::string server_;
};

// Lines that begin with this pid and name the process.
int rows_of(const std::string& screen, pid_t pid)
{
    std::istringstream lines(screen);
    int rows = 0;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string first;
        rows += words >> first && first == std::to_string(pid) && line.find(" pinner") != std::string::npos ? 1 : 0;
    }
    return rows;
}

}  // namespace

TEST_CASE("top shows who holds most, is sorted by keys, and gives the screen back", "[top]")
{
    Daemon& daemon = Daemon::shared();
    Pinner large;
    large.ok("anon 1048576");
    large.ok("pin uring");
    Pinner small;
    small.ok("anon 65536");
    small.ok("pin " + Machine::instance().rdma("rw"));
    const std::string larger = std::to_string(large.pid()) + "  ";
    const std::string smaller = std::to_string(small.pid()) + "  ";
    for (const int columns : {80, 200}) {
        const Terminal terminal("pinctl --socket " + daemon.socket() + " top --interval 1", columns, 24);
        terminal.wait_for("*BYTES");
        const std::string screen = terminal.screen();
        INFO(screen);
        CHECK(screen.find("pinwarden ") == 0);
        CHECK(screen.find("Ledger certain") != std::string::npos);
        CHECK(screen.find(larger) < screen.find(smaller));
        CHECK(screen.find(smaller) != std::string::npos);
        CHECK(screen.find("io_uring") != std::string::npos);
        // What is worth most is there on a narrow screen too; a wide one is used.
        for (const char* title : {"PID", "RATE", "PINS", "OLDEST", "DRIVER", "COMM"}) {
            INFO(title);
            CHECK(screen.find(title) != std::string::npos);
        }
        const bool wide = columns == 200;
        CHECK((screen.find("PROGRAM") != std::string::npos) == wide);
        CHECK((screen.find("CGROUP") != std::string::npos) == wide);
        CHECK((screen.find("/pinner ") != std::string::npos) == wide);
        // Every row has its name at its end, and its own line.
        CHECK(rows_of(screen, large.pid()) == 1);
        CHECK(rows_of(screen, small.pid()) == 1);
        terminal.press("a");
        terminal.wait_for("*OLDEST");
        terminal.press("c");
        terminal.wait_for("*CONFLICTS");
        // What comes is seen without a key.
        Pinner more;
        more.ok("anon 262144");
        more.ok("pin uring");
        terminal.wait_for(std::to_string(more.pid()) + "  ");
        terminal.wait_for("256.0 KiB");
        more.end();
        terminal.press("q");
        terminal.wait_for("ended with 0");
    }
    large.end();
    small.end();
    daemon.expect_nothing_pinned();
}

TEST_CASE("a table on a terminal fits it, and in a pipe nothing is left out", "[top]")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    const std::string path = Machine::instance().folder("tmpfs") +
                             "/a-folder-with-a-name-of-some-length-that-no-narrow-terminal-has-room-for";
    REQUIRE(shell("mkdir -p " + path).status == 0);
    pinner.ok("file " + path + "/part-00017.bin 65536");
    pinner.ok("pin uring");
    const std::string by_file = "pinctl --socket " + daemon.socket() + " pins --by file";
    const std::string whole = path + "/part-00017.bin";
    {
        const Terminal terminal(by_file, 80, 24);
        terminal.wait_for("ended with 0");
        const std::string screen = terminal.screen();
        INFO(screen);
        CHECK(screen.find("/part-00017.bin\n") != std::string::npos);
        CHECK(screen.find(path) == std::string::npos);
        CHECK(screen.find("64.0 KiB") != std::string::npos);
    }
    {
        const Terminal terminal(by_file, 200, 24);
        terminal.wait_for("ended with 0");
        CHECK(terminal.screen().find(whole + "\n") != std::string::npos);
    }
    {
        const Terminal terminal(by_file + " --wide; " + by_file + " | cat", 81, 24);
        terminal.wait_for("ended with 0");
        const std::string screen = run({"tmux", "-L", "pinwarden-test-81", "capture-pane", "-p", "-J"}).out;
        INFO(screen);
        const auto first = screen.find(whole);
        REQUIRE(first != std::string::npos);
        CHECK(screen.find(whole, first + 1) != std::string::npos);
    }
    pinner.end();
    daemon.expect_nothing_pinned();
}

TEST_CASE("top says what it needs where there is no terminal", "[top]")
{
    const Outcome outcome = Daemon::shared().pinctl("top");
    CHECK(outcome.status == 1);
    CHECK(outcome.err.find("top needs a terminal") != std::string::npos);
    const Outcome once = Daemon::shared().pinctl("top --once");
    CHECK(once.status == 0);
    CHECK(once.out.starts_with("pinwarden "));
    CHECK(once.out.ends_with("No pins.\n"));
}
