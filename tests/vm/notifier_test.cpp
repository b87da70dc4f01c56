// Who listens to an address space instead of pinning it is listed, and is never in anybody's way.
#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 65536;

double conflicts()
{
    return Daemon::metrics().sum("pinwarden_conflicts_total");
}

std::vector<v1::Notifier> of_process(Daemon& daemon, pid_t pid)
{
    auto notifiers = daemon.api().notifiers();
    std::erase_if(notifiers, [&](const auto& one) { return one.owner().pid() != static_cast<unsigned>(pid); });
    return notifiers;
}

}  // namespace

TEST_CASE("a virtual machine is listed with its process for as long as it is there")
{
    Daemon& daemon = Daemon::shared();
    const std::string guest = Machine::instance().guest();
    Pinner pinner;
    pinner.ok("anon 65536");
    CHECK(of_process(daemon, pinner.pid()).empty());
    pinner.ok("pin " + guest);

    const auto listed = of_process(daemon, pinner.pid());
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].driver() == "kvm");
    CHECK_FALSE(listed[0].on_demand());
    CHECK(listed[0].owner().comm() == "pinner");
    CHECK(Daemon::metrics().sum("pinwarden_notifiers", {{"driver", "kvm"}}) == 1);
    CHECK(daemon.api().pins().empty());
    const std::string shown = daemon.pinctl("notifiers").out;
    CHECK(shown.find("kvm") != std::string::npos);
    CHECK(shown.find(std::to_string(pinner.pid())) != std::string::npos);

    pinner.end();
    eventually("it is gone", [&] { return of_process(daemon, pinner.pid()).empty(); });
    CHECK(Daemon::metrics().sum("pinwarden_notifiers", {{"driver", "kvm"}}) == 0);
}

TEST_CASE("an on-demand region is listed, and nothing that happens to it is a conflict")
{
    const std::string filesystem = GENERATE("ext4", "pmem");
    INFO(filesystem);
    Machine& machine = Machine::instance();
    if (machine.older_than(6, 15)) {
        WARN("soft-RoCE learned it in 6.15: this kernel has nothing to try it with");
        return;
    }
    if (filesystem == "pmem" && !Machine::has_pmem()) {
        WARN("not tried: start the machine with --append 'memmap=256M!0x120000000'");
        return;
    }
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.name = "keep"});
    const std::string path = machine.folder(filesystem) + "/on-demand";
    const double before = conflicts();
    Pinner pinner;
    pinner.ok("file " + path + " " + std::to_string(kSize));
    pinner.ok("fill mapping 41");
    machine.rdma("rw");
    const std::string address = pinner.ok("pin odp rw 16384 32768");

    const auto listed = of_process(daemon, pinner.pid());
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].driver() == "rdma_rxe");
    CHECK(listed[0].on_demand());
    CHECK(std::to_string(listed[0].address()) == address);
    CHECK(listed[0].length() == 32768);
    CHECK(Daemon::metrics().sum("pinwarden_on_demand_bytes", {{"driver", "rdma_rxe"}}) == 32768);
    CHECK(daemon.api().pins().empty());
    CHECK(daemon.api().status().on_demand_bytes() == 32768);

    // The device has seen all of it.
    CHECK(pinner.ok("look device") == "41x8");
    CHECK(try_ftruncate(path, 20480) == 0);
    CHECK(size_of(path) == 20480);
    pinner.ok("unmap 16384 4096");
    pinner.ok("advise dontneed 20480 4096");
    CHECK(conflicts() == before);
    CHECK(policy.status().denied() == 0);

    pinner.ok("release");
    CHECK(of_process(daemon, pinner.pid()).empty());
    CHECK(Daemon::metrics().sum("pinwarden_on_demand_bytes", {{"driver", "rdma_rxe"}}) == 0);
    daemon.expect_nothing_pinned();
}
