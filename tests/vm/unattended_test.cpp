// What becomes of held callers, and of policies, when the daemon goes, however it goes.
#include <linux/falloc.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr int kCallers = 20;

// Each truncates the file, and is held.
class Callers {
public:
    Callers(Daemon& daemon, const std::string& path)
    {
        for (int i = 0; i < kCallers; ++i) {
            all_.push_back(std::make_unique<Caller>(std::vector<std::string>{"truncate", path, "16384"}));
        }
        for (const auto& caller : all_) {
            caller->expect_held();
        }
        eventually("all are known to be held", [&] { return daemon.api().holds().size() == kCallers; });
    }

    [[nodiscard]] int held() const
    {
        return static_cast<int>(std::ranges::count_if(all_, [](const auto& caller) { return caller->held(); }));
    }

    void expect_results(const std::string& result)
    {
        for (const auto& caller : all_) {
            CHECK(caller->result() == result);
        }
    }

private:
    std::vector<std::unique_ptr<Caller>> all_;
};

PolicyText holding(const std::string& when_unattended)
{
    return {.when_unattended = when_unattended, .action = "hold: {timeout: 10m}"};
}

int try_punch(const std::string& path)
{
    return try_fallocate(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 20480, 4096);
}

void kill_guardian()
{
    REQUIRE(shell("pkill -KILL -x pinwarden-guard").status == 0);
}

std::size_t kept_sets()
{
    return std::stoul(
        shell("find /sys/fs/bpf/pinwarden/links -mindepth 1 -maxdepth 1 2> /dev/null | wc -l || true").out);
}

}  // namespace

TEST_CASE("a daemon that is told to end lets go whom it holds, by the policy's fallback")
{
    Daemon::stop_shared();
    Daemon daemon;
    PinnedFile file("tmpfs");
    daemon.api().apply(to_yaml(holding("release")));
    Callers callers(daemon, file.path);
    daemon.stop();
    callers.expect_results("EBUSY");
    CHECK(try_truncate(file.path, 16384) == 0);
}

TEST_CASE("a killed daemon leaves nobody stopped, and in force what is to be kept, until the next one has taken over")
{
    Daemon::stop_shared();
    std::optional<Daemon> daemon(std::in_place);
    PinnedFile file("tmpfs");
    daemon->api().apply(to_yaml(holding("keep")));
    PolicyText other{.name = "other", .operations = "punch_hole", .error = "EPERM"};
    daemon->api().apply(to_yaml(other));
    CHECK(try_punch(file.path) == EPERM);
    Callers callers(*daemon, file.path);
    daemon.reset();
    callers.expect_results("EBUSY");
    CHECK(file.whole());
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    eventually("what is not to be kept is in force no longer", [&] { return try_punch(file.path) == 0; });

    // Pins that no daemon saw being made are met as well, and only as long as they last.
    Pinner later;
    const std::string path = Machine::instance().folder("tmpfs") + "/later";
    later.ok("file " + path + " 16384");
    later.ok("pin " + Machine::instance().rdma("rw") + " 0 16384");
    CHECK(try_truncate(path, 0) == EBUSY);
    later.ok("release");
    CHECK(try_truncate(path, 0) == 0);

    Process truncating({"bash", "-c",
                        "while [ ! -e " + path + ".stop ]; do truncate -s 16384 " + file.path +
                            " 2> /dev/null && echo through; done; echo end"});
    std::ofstream(path + ".yaml") << to_yaml({.when_unattended = "keep"});
    daemon.emplace(std::vector<std::string>{"--policy", path + ".yaml"});
    eventually("the next one has taken over", [] { return kept_sets() == 1; });
    std::ofstream(path + ".stop").flush();
    CHECK(truncating.read_line() == "end");

    // It stays in force as well when the daemon is told to end.
    daemon->stop();
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    const Outcome released = shell("pinwardend --release-kept");
    CHECK(released.status == 0);
    CHECK(released.out == "daemons that are gone and whose policies were still in force, and are no longer: 1\n");
    CHECK(kept_sets() == 0);
    // The kernel detaches a little later.
    eventually("it is in force no longer", [&] { return try_truncate(file.path, 16384) == 0; });
}

TEST_CASE("without its guardian the daemon holds nobody, and whom they left stopped together is continued by command")
{
    Daemon::stop_shared();
    std::optional<Daemon> daemon(std::in_place);
    PinnedFile file("tmpfs");
    daemon->api().apply(to_yaml(holding("release")));
    Callers callers(*daemon, file.path);
    // Both at once, as far as anybody can see: a daemon that stands still does not miss its guardian.
    REQUIRE(shell("kill -STOP " + std::to_string(daemon->pid())).status == 0);
    kill_guardian();
    daemon.reset();
    CHECK(callers.held() == kCallers);
    CHECK(shell("pinwardend --release-holds").status == 0);
    callers.expect_results("ok");

    daemon.emplace();
    file.pinner.ok("release");
    PinnedFile next("tmpfs");
    daemon->api().apply(to_yaml(holding("release")));
    kill_guardian();
    const std::vector<std::string> words{"truncate", next.path, "16384"};
    eventually("nobody is held any more", [&] { return call(words) == "EBUSY"; });
    const auto status = daemon->api().status();
    CHECK(std::ranges::any_of(status.notices(),
                              [](const auto& notice) { return notice.find("guardian") != std::string::npos; }));
}
