// Pins that the kernel refuses.
#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("a pin that fails is told with its errno, driver, size and owner")
{
    const std::string device = GENERATE("rdma_rxe", "io_uring");
    INFO(device);
    Daemon& daemon = Daemon::shared();
    const std::string target = device == "rdma_rxe" ? Machine::instance().rdma("rw") : "uring";
    const auto counted = [&] {
        return Daemon::metrics().sum("pinwarden_pins_failed_total", {{"driver", device}, {"errno", "EFAULT"}});
    };
    const double counted_before = counted();
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_FAILURE});
    Pinner pinner;
    // What may not be written to cannot be handed to a device that writes.
    pinner.ok("file " + Machine::instance().folder("tmpfs") + "/unwritable 65536 ro");
    CHECK(pinner.error("pin " + target) == "EFAULT");

    const auto list = daemon.api().failures();
    REQUIRE(list.failures_size() > 0);
    const v1::PinFailure& failure = list.failures(list.failures_size() - 1);
    CHECK(failure.error() == "EFAULT");
    CHECK(failure.driver() == device);
    CHECK(failure.bytes() == 65536);
    CHECK(failure.writable());
    CHECK(failure.owner().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(failure.owner().comm() == "pinner");
    CHECK(counted() == counted_before + 1);
    const auto event = watch.wait_for("the failure", [](const auto&) { return true; });
    CHECK(event.failure().error() == "EFAULT");
    CHECK(event.failure().owner().pid() == failure.owner().pid());
    const std::string table = daemon.pinctl("failures --stack").out;
    INFO(table);
    CHECK(table.find("EFAULT") != std::string::npos);
    CHECK(table.find("ffff") == std::string::npos);
    pinner.end();
    daemon.expect_nothing_pinned();
}
