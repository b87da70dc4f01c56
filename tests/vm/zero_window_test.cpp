// The promise that matters most: a pin that was acquired before a truncate started is seen by that truncate, and after
// the last release a truncate is allowed. Not most of the time: every time, also while the daemon is stopped.
#include <catch2/catch.hpp>
#include <memory>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

struct Race {
    std::string what;
    std::string memory;
    std::string device;
    std::uint64_t turns;
    bool daemon_stopped;
};

void expect_no_window(const Race& race)
{
    INFO(race.what);
    Daemon& daemon = Daemon::shared();
    std::unique_ptr<Daemon::Paused> paused;
    if (race.daemon_stopped) {
        paused = std::make_unique<Daemon::Paused>(daemon);
    }
    Pinner pinner;
    pinner.ok(race.memory);
    const auto result = pinner.race("race " + std::to_string(race.turns) + " " + race.device);
    CHECK(result.at("denied") == race.turns);
    CHECK(result.at("got_through") == 0);
    CHECK(result.at("damaged") == 0);
    CHECK(result.at("other_errors") == 0);
    CHECK(result.at("allowed") == race.turns);
    CHECK(result.at("refused") == 0);
    CHECK(result.at("bystander_refused") == 0);
    paused.reset();
    pinner.end();
    daemon.expect_nothing_pinned();
}

}  // namespace

TEST_CASE("10,000 times pinned and truncated by another process: not one gets through")
{
    Machine& machine = Machine::instance();
    const AppliedPolicy policy(Daemon::shared().api());
    const std::string file = "file " + machine.folder("ext4") + "/raced 16384";
    // VFIO maps are cheapest: most of the turns are theirs.
    expect_no_window({"VFIO, memfd", "memfd raced 16384", machine.vfio("rw"), 6500, false});
    expect_no_window({"VFIO, memfd, daemon stopped", "memfd raced 16384", machine.vfio("rw"), 2000, true});
    expect_no_window({"RDMA, ext4", file, machine.rdma(machine.file_access()), 800, false});
    expect_no_window({"RDMA, ext4, daemon stopped", file, machine.rdma(machine.file_access()), 400, true});
    expect_no_window({"io_uring, memfd", "memfd raced 16384", "uring", 200, false});
    expect_no_window({"io_uring, memfd, daemon stopped", "memfd raced 16384", "uring", 100, true});
    CHECK(policy.status().denied() == 10000);
}

TEST_CASE("no window either for a policy that selects pins")
{
    Machine& machine = Machine::instance();
    const AppliedPolicy policy(Daemon::shared().api(), {.match = "pin: {drivers: [vfio], min_bytes: 16KiB}"});
    expect_no_window({"selected", "memfd raced 16384", machine.vfio("rw"), 1000, false});
    expect_no_window({"selected, daemon stopped", "memfd raced 16384", machine.vfio("rw"), 500, true});
}

TEST_CASE("truncating all the time while pins come and go finds no window")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api());
    Pinner pinner;
    pinner.ok("memfd stormed 16384");
    const auto result = pinner.race("storm 1000 " + Machine::instance().vfio("rw"));
    CHECK(result.at("denied") >= 1000);
    CHECK(result.at("got_through") == 0);
    CHECK(result.at("allowed") >= 1000);
    CHECK(result.at("refused") == 0);
    CHECK(result.at("other_errors") == 0);
    pinner.end();
    daemon.expect_nothing_pinned();
}
