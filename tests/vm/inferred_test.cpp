// Whose pins are those that were there before the daemon?
#include <catch2/catch.hpp>
#include <csignal>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("pins from before the start have the owner that alone maps them, and are let go like others")
{
    Daemon::stop_shared();
    Pinner one;
    one.ok("memfd early 65536");
    one.ok("pin uring");
    Pinner other;
    other.ok("anon 131072");
    other.ok("fill mapping 41");
    other.ok("pin " + Machine::instance().vfio("rw"));
    // Two that could both have done it: both have a device, and both map the pages.
    const std::string path = Machine::instance().folder("tmpfs") + "/shared";
    Pinner pinned;
    pinned.ok("file " + path + " 262144");
    pinned.ok("pin " + Machine::instance().rdma("rw"));
    Pinner mapped;
    mapped.ok("anon 4096");
    mapped.ok("pin " + Machine::instance().rdma("rw"));
    mapped.ok("release");
    mapped.ok("file " + path + " 262144");
    mapped.ok("fill mapping 41");

    Daemon& daemon = Daemon::shared();
    const auto owner_of = [&](std::uint64_t bytes) -> v1::Process {
        for (const v1::Pin& pin : daemon.api().pins()) {
            if (pin.bytes() == bytes) {
                return pin.owner();
            }
        }
        return {};
    };
    eventually("all were found", [&] { return daemon.api().status().pinned_bytes() == 65536 + 131072 + 262144; });
    INFO(daemon.pinctl("pins").out);
    CHECK(owner_of(65536).pid() == static_cast<unsigned>(one.pid()));
    CHECK(owner_of(65536).inferred());
    CHECK(owner_of(65536).comm() == "pinner");
    CHECK(owner_of(131072).pid() == static_cast<unsigned>(other.pid()));
    CHECK(owner_of(131072).inferred());
    CHECK(owner_of(262144).pid() == 0);
    CHECK_FALSE(owner_of(262144).inferred());
    CHECK(daemon.pinctl("pins").out.find("pinner (inferred)") != std::string::npos);

    other.ok("release");
    CHECK(owner_of(131072).pid() == 0);
    CHECK(daemon.api().status().pinned_bytes() == 65536 + 262144);
    one.kill();
    eventually("its pin is gone", [&] { return daemon.api().status().pinned_bytes() == 262144; });
    mapped.end();
    pinned.end();
    eventually("nothing is left", [&] { return daemon.api().status().pins() == 0; });
    CHECK(daemon.pinctl("audit").status == 0);
}
