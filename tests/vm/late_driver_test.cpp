// Drivers that are loaded while the daemon runs. The first file of all: the machine has none of them yet.
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("pins made while a driver's hooks come are all known for what they are")
{
    Daemon daemon;
    if (shell("test -d /sys/module/ib_uverbs").status == 0) {
        WARN("the driver is loaded already: its hooks came with the daemon");
    }
    Pinner pinner;
    pinner.ok("memfd late 65536");
    const std::string device = Machine::instance().rdma("rw");
    const auto followed = [&] {
        const auto status = daemon.api().status();
        return std::ranges::any_of(
            status.hooks(), [](const v1::Hook& hook) { return hook.name() == "rdma regions" && hook.attached(); });
    };
    std::size_t made = 0;
    constexpr std::size_t kEnough = 8'000;
    for (bool last = false; !last && made < kEnough;) {
        last = followed();
        for (int i = 0; i < 20; ++i, ++made) {
            pinner.ok("pin " + device);
        }
    }
    REQUIRE(made < kEnough);
    CHECK(daemon.api().pins().size() == made);

    // Whatever of it were believed to be gone would be dropped here, and found again without its driver.
    v1::RunAuditRequest repair;
    repair.set_repair(true);
    const auto audit = daemon.api().audit(repair);
    INFO(audit.DebugString());
    CHECK(audit.exact());
    const auto pins = daemon.api().pins();
    CHECK(pins.size() == made);
    CHECK(std::ranges::all_of(pins, [](const v1::Pin& pin) { return pin.driver() == "rdma_rxe"; }));

    pinner.ok("release all");
    CHECK(daemon.api().pins().empty());
    pinner.end();
    daemon.stop();
}
