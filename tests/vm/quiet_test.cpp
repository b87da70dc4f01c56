// Releases of pages that are not listened to while every pin is followed by its object.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kPage = 4096;

Daemon& quiet_daemon()
{
    return Daemon::shared({"--quiet-after", "1ms"});
}

// Of the functions that release single pages, one that every kernel has and that no object needs.
bool listens(Daemon& daemon)
{
    const v1::GetStatusResponse status = daemon.api().status();
    const auto hook = std::ranges::find(status.hooks(), "unpin_user_page", &v1::Hook::name);
    REQUIRE(hook != status.hooks().end());
    if (!hook->attached()) {
        CHECK(hook->reason() == "every pin is followed by the object it was made for");
    }
    return hook->attached();
}

void expect_exact(Daemon& daemon)
{
    const auto audit = daemon.api().audit();
    CHECK(audit.exact());
    CHECK(daemon.api().status().ledger_certain());
}

}  // namespace

TEST_CASE("objects are let go with all they have pinned while nobody listens to single pages", "[quiet]")
{
    Daemon& daemon = quiet_daemon();
    std::vector<std::string> devices{"uring", daemon.followed(Machine::instance().rdma("rw"), "rdma regions"),
                                     daemon.followed(Machine::instance().vfio("rw"), "vfio mappings"), "xdp"};
    eventually("nobody listens", [&] { return !listens(daemon); });
    for (const std::string& device : devices) {
        INFO(device);
        Pinner pinner;
        pinner.ok("memfd small 1048576");
        pinner.ok("pin " + device + " 0 131072");
        CHECK(daemon.api().pins().size() == 1);
        expect_exact(daemon);
        pinner.ok("release");
        // A socket's memory is let go a moment after it is closed.
        eventually("it is gone", [&] { return daemon.api().pins().empty(); });
        daemon.expect_nothing_pinned();
        pinner.ok("pin " + device + " 131072 131072");
        pinner.kill();
        eventually("all is gone", [&] { return daemon.api().pins().empty(); });
        expect_exact(daemon);
    }
    CHECK_FALSE(listens(daemon));
}

TEST_CASE("of huge pages io_uring keeps one pin each, which is told while nobody listens to single pages", "[quiet]")
{
    Daemon& daemon = quiet_daemon();
    eventually("nobody listens", [&] { return !listens(daemon); });
    Pinner pinner;
    REQUIRE(shell("echo 8 > /proc/sys/vm/nr_hugepages; grep -q '^HugePages_Free: *[4-8]$' /proc/meminfo").status == 0);
    pinner.ok("memfd large 4194304 huge");
    pinner.ok("pin uring");
    expect_exact(daemon);
    CHECK_FALSE(listens(daemon));
    pinner.ok("release");
    daemon.expect_nothing_pinned();
    pinner.end();
}

TEST_CASE("what could not be made for an object is gone, too, while nobody listens", "[quiet]")
{
    Daemon& daemon = quiet_daemon();
    const std::string rdma = daemon.followed(Machine::instance().rdma("rw"), "rdma regions");
    eventually("nobody listens", [&] { return !listens(daemon); });
    Pinner pinner;
    pinner.ok("memfd holed 1048576");
    // The second half cannot be pinned.
    pinner.ok("unmap 524288 524288");
    for (const std::string& device : {std::string("uring"), rdma}) {
        CHECK_FALSE(pinner.error("pin " + device).empty());
    }
    daemon.expect_nothing_pinned();
    expect_exact(daemon);
    pinner.end();
}

TEST_CASE("a pin that no object follows is listened for, enforced, and let go", "[quiet]")
{
    if (Machine::instance().older_than(6, 11)) {
        WARN("no driver of this machine pins outside of an object on this kernel");
        return;
    }
    Daemon& daemon = quiet_daemon();
    const AppliedPolicy policy(daemon.api(), {.unresolved = "deny"});
    Pinner bystander;
    bystander.ok("memfd bystander 65536");
    bystander.ok("pin uring");
    eventually("nobody listens", [&] { return !listens(daemon); });
    for (int round = 0; round < 3; ++round) {
        Pinner pinner;
        const std::string file = pinner.ok("memfd unfollowed 65536");
        pinner.ok("pin udmabuf");
        // Also before anybody knows whether it is there still.
        CHECK(try_truncate(file, kPage) == EBUSY);
        eventually("the ledger is certain", [&] { return daemon.api().status().ledger_certain(); });
        CHECK(listens(daemon));
        CHECK(daemon.api().pins().size() == 2);
        CHECK(try_truncate(file, kPage) == EBUSY);
        expect_exact(daemon);
        pinner.ok("release");
        eventually("only the other is pinned", [&] { return daemon.api().pins().size() == 1; });
        // Allowed; the driver wants its files sealed against it.
        CHECK(try_truncate(file, kPage) == EPERM);
        pinner.end();
        eventually("nobody listens again", [&] { return !listens(daemon); });
    }
    bystander.end();
    eventually("nothing is pinned", [&] { return daemon.api().pins().empty(); });
}

TEST_CASE("a pin that was let go before anybody listened does not stay", "[quiet]")
{
    if (Machine::instance().older_than(6, 11)) {
        return;
    }
    Daemon& daemon = quiet_daemon();
    for (int round = 0; round < 3; ++round) {
        eventually("nobody listens", [&] { return !listens(daemon); });
        Pinner pinner;
        pinner.ok("memfd unfollowed 65536");
        {
            const Daemon::Paused paused(daemon);
            pinner.ok("pin udmabuf");
            pinner.ok("release");
        }
        eventually("it is gone", [&] {
            const auto status = daemon.api().status();
            return status.ledger_certain() && daemon.api().pins().empty();
        });
        expect_exact(daemon);
        pinner.end();
    }
}
