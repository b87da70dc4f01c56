// What an ordinary user can try: to write what others read, to hide, to get at what is the daemon's.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"
#include "support/process.h"
#include "support/temporary_folder.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr unsigned kNobody = 65534;

// Clears a terminal, ends a line, ends a text and begins another field.
const std::string kEvil = "a\n\x1b[2J\",\"x\":\"\\";

std::string quoted(const std::string& text)
{
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return out + "'";
}

// Nothing but what a terminal prints, and ends of lines.
bool harmless(const std::string& text)
{
    return std::ranges::all_of(
        text, [](char c) { return c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); });
}

// Each line is a JSON value of its own.
bool lines_of_json(const std::string& file)
{
    return shell("python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' " + quoted(file))
               .status == 0;
}

class HostileProgram {
public:
    // Runs under that name, as another user, and pins the file.
    HostileProgram(const std::string& program, const std::string& path)
        : process_({"setpriv", "--reuid", std::to_string(kNobody), "--regid", std::to_string(kNobody), "--clear-groups",
                    program})
    {
        ask("file " + path + " 65536");
        ask("pin uring");
    }
    // What follows the "ok".
    std::string ask(const std::string& command)
    {
        process_.write_line(command);
        const std::string answer = process_.read_line();
        INFO(answer);
        REQUIRE(answer.starts_with("ok"));
        return answer.substr(2);
    }
    [[nodiscard]] pid_t pid() const { return process_.pid(); }

private:
    Process process_;
};

}  // namespace

TEST_CASE("names that others choose steer no terminal and forge no line", "[hostile]")
{
    const TemporaryFolder folder;
    const std::string events = folder.file("events.json");
    Daemon::stop_shared();
    Daemon own({"--event-log", events});
    const AppliedPolicy policy(own.api());
    const std::string data = Machine::instance().folder("tmpfs");
    const std::string program = folder.file(kEvil);
    REQUIRE(shell("chmod 755 " + folder.file("") + "; chmod 777 " + data + "; cp \"$(command -v pinner)\" " +
                  quoted(program))
                .status == 0);
    HostileProgram hostile(program, data + "/file");
    const std::string path = data + "/" + kEvil;
    std::filesystem::rename(data + "/file", path);
    REQUIRE(try_truncate(path, 0) == EBUSY);
    eventually("the line is written", [&] { return content_of(events).ends_with("}\n"); });

    CHECK(lines_of_json(events));
    CHECK(lines_of_json(own.audit_log()));
    for (const std::string& command :
         std::vector<std::string>{"pins", "pins --by file", "pins --by comm", "conflicts", "audit-log", "top --once",
                                  "explain " + std::to_string(hostile.pid()), "policy list", "status"}) {
        INFO(command);
        const Outcome outcome = own.pinctl(command);
        INFO(outcome.err);
        CHECK(outcome.status == 0);
        CHECK(harmless(outcome.out));
        CHECK(harmless(outcome.err));
        CHECK(harmless(own.messages()));
    }
    CHECK(
        shell("pinctl --socket " + own.socket() + " pins --json | python3 -c 'import json, sys; json.load(sys.stdin)'")
            .status == 0);
    CHECK(shell("curl -fsS http://127.0.0.1:9877/page.json | python3 -c 'import json, sys; json.load(sys.stdin)'")
              .status == 0);
    own.stop();
}

TEST_CASE("whoever pins cannot hide it", "[hostile]")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string data = Machine::instance().folder("tmpfs");
    REQUIRE(shell("chmod 777 " + data).status == 0);
    HostileProgram hostile("pinner", data + "/file");

    SECTION("by moving the file")
    {
        std::filesystem::rename(data + "/file", data + "/elsewhere");
        CHECK(try_truncate(data + "/elsewhere", 0) == EBUSY);
    }
    SECTION("by another link to it")
    {
        std::filesystem::create_hard_link(data + "/file", data + "/link");
        std::filesystem::remove(data + "/file");
        CHECK(try_truncate(data + "/link", 0) == EBUSY);
    }
    SECTION("by unmapping what is pinned")
    {
        hostile.ask("unmap 0 65536");
        CHECK(try_truncate(data + "/file", 0) == EBUSY);
    }
    SECTION("by becoming another program")
    {
        std::string pinner = shell("command -v pinner").out;
        pinner.pop_back();
        hostile.ask("exec " + pinner);
        // What io_uring has registered goes with the program.
        eventually("nothing is pinned any more", [&] { return daemon.api().status().pins() == 0; });
        CHECK(try_truncate(data + "/file", 0) == 0);
    }
    SECTION("by leaving it to a child")
    {
        const std::string heir = hostile.ask("heir");
        hostile.ask("unmap 0 65536");
        CHECK(daemon.api().status().pins() == 1);
        CHECK(try_truncate(data + "/file", 0) == EBUSY);
        CHECK(shell("kill -KILL " + heir).status == 0);
    }
}

TEST_CASE("nothing of the daemon's is for strangers to read or write", "[hostile]")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    const std::string as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
    for (const std::string& command : std::vector<std::string>{
             "cat " + daemon.audit_log(), "ls /sys/fs/bpf/pinwarden", "rm -rf /sys/fs/bpf/pinwarden/links",
             "kill " + std::to_string(daemon.pid()), "cat /proc/" + std::to_string(daemon.pid()) + "/maps",
             "pinctl --socket " + daemon.socket() + " status"}) {
        INFO(command);
        CHECK(shell(as_nobody + command).status != 0);
    }
    CHECK(daemon.api().status().pid() == static_cast<unsigned>(daemon.pid()));
}
