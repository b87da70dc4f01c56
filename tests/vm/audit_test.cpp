// The ledger against the kernel's own pin counts: equal at rest, and made equal where pins are older than the daemon.
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

std::string last_line(const std::string& text)
{
    const auto end = text.find_last_not_of('\n');
    const auto start = text.rfind('\n', end);
    return text.substr(start + 1, end - start);
}

void expect_exact(Daemon& daemon)
{
    const auto audit = daemon.api().audit();
    INFO(audit.DebugString());
    CHECK(audit.exact());
    CHECK(audit.missing_pins() + audit.surplus_pins() + audit.unsettled_folios() == 0);
}

std::string rdma(Daemon& daemon)
{
    return daemon.followed(Machine::instance().rdma("rw"), "rdma regions");
}

std::string vfio(Daemon& daemon)
{
    return daemon.followed(Machine::instance().vfio("ro"), "vfio mappings");
}

}  // namespace

TEST_CASE("pinctl audit ends with status 3 where the ledger lacks pins, and the daemon then mends it")
{
    Daemon::stop_shared();
    Pinner pinner;
    pinner.ok("anon 65536");
    pinner.ok("fill mapping 41");
    pinner.ok("pin uring");

    Daemon daemon({"--no-census"});
    CHECK(daemon.api().pins().empty());
    const Outcome different = daemon.pinctl("audit");
    INFO(different.out);
    CHECK(different.status == 3);
    CHECK(last_line(different.out).starts_with("16 differences: 16 pins the ledger did not have"));
    eventually("the ledger is mended", [&] { return daemon.pinctl("audit").status == 0; });
    CHECK(daemon.api().status().pinned_bytes() == 65536);
    pinner.ok("release");
    eventually("they are gone", [&] { return daemon.api().pins().empty(); });
    pinner.end();
    daemon.stop();
}

TEST_CASE("a process with 1 GiB pinned is killed: its pin is an orphan until the kernel has let go")
{
    // The kernel lets go page by page, faster than an emulated daemon reads: this is not about losses.
    Daemon::stop_shared();
    Daemon daemon({"--ring-size", "64MiB"});
    // After the census of the start, which would take the pages of a call that lasts that long for somebody's.
    expect_exact(daemon);
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_RELEASE});
    Pinner pinner;
    pinner.ok("memfd large 1073741824");
    pinner.ok("pin uring", std::chrono::seconds(300));
    CHECK(daemon.api().status().pinned_bytes() == 1U << 30U);

    pinner.kill();
    eventually("it is gone", [&] {
        const auto pins = daemon.api().pins();
        // As long as there is something left, nobody is shown as its living owner.
        for (const auto& pin : pins) {
            CHECK(pin.owner().exited());
        }
        return pins.empty();
    });
    const auto gone = watch.wait_for("its end", [](const auto& event) { return event.fully_released(); });
    CHECK(gone.pin().owner().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(gone.pin().owner().exited());
    expect_exact(daemon);
    daemon.expect_nothing_pinned();
    daemon.stop();
}

TEST_CASE("pins from before the start are found, protected, and gone when they are let go")
{
    Daemon::stop_shared();
    Pinner pinner;
    const std::string path = pinner.ok("memfd older 262144");
    pinner.ok("pin " + Machine::instance().rdma("rw") + " 0 131072");

    Daemon& daemon = Daemon::shared();
    eventually("they are found", [&] { return !daemon.api().pins().empty(); });
    const v1::Pin pin = daemon.api().pins().at(0);
    CHECK(pin.bytes() == 131072);
    CHECK(pin.backing() == "shmem");
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).first_page() == 0);
    CHECK(pin.ranges(0).pages() == 32);
    expect_exact(daemon);
    const AppliedPolicy policy(daemon.api());
    CHECK(try_truncate(path, 65536) == EBUSY);
    CHECK(try_truncate(path, 131072) == 0);

    pinner.ok("release");
    eventually("they are gone", [&] { return daemon.api().pins().empty(); });
    expect_exact(daemon);
    CHECK(daemon.api().status().ledger_certain());
    CHECK(try_truncate(path, 0) == 0);
    pinner.end();
}

TEST_CASE("what is pinned by several drivers is what the kernel counts, and pinctl says so")
{
    Daemon& daemon = Daemon::shared();
    Machine& machine = Machine::instance();
    Pinner pinner;
    pinner.ok("file " + machine.folder("tmpfs") + "/counted 1048576");
    pinner.ok("pin " + rdma(daemon));
    pinner.ok("pin uring 4096 65536");
    pinner.ok("pin xdp 0 131072");
    pinner.ok("pin " + vfio(daemon) + " 8192 262144");

    const auto audit = daemon.api().audit();
    CHECK(audit.exact());
    CHECK(audit.ledger_pages() == 256);
    CHECK(audit.scanned_pages() > 256);
    const Outcome told = daemon.pinctl("audit");
    CHECK(told.status == 0);
    CHECK(last_line(told.out) == "0 differences");

    const auto census = daemon.api().census();
    CHECK(census.missing_pins() == 0);
    CHECK(census.total().pins() == 256 + 16 + 32 + 64);
    CHECK(census.total().ledger_pins() == census.total().pins());
    CHECK(census.kernel_pins_acquired() > 0);
    CHECK(last_line(daemon.pinctl("census").out).starts_with("Total: 368 pins on"));

    // Each let go by itself: the others stay.
    for (const std::size_t left : {3U, 2U, 1U, 0U}) {
        pinner.ok("release");
        eventually("one is gone", [&] { return daemon.api().pins().size() == left; });
        expect_exact(daemon);
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("a census tells how far it is while it walks memory, and pinctl shows it on a terminal")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("file " + Machine::instance().folder("tmpfs") + "/streamed 1048576");
    pinner.ok("pin uring 0 65536");
    const auto steps = daemon.api().stream_census();
    REQUIRE_FALSE(steps.empty());
    CHECK(steps.back().result().total().pins() == 16);
    std::uint64_t seen = 0;
    std::uint64_t all = 0;
    for (const auto& step : steps) {
        if (step.progress().phase() == v1::AUDIT_PHASE_MEMORY) {
            CHECK(step.progress().done() >= seen);
            CHECK(step.progress().done() <= step.progress().total());
            seen = step.progress().done();
            all = step.progress().total();
        }
    }
    CHECK(steps.size() > 1);
    CHECK((all == 0 || all >= steps.back().result().scanned_pages()));

    const std::string pinctl = "pinctl --socket " + daemon.socket() + " census";
    const Outcome shown = shell("TERM=xterm script -qec '" + pinctl + "' /dev/null < /dev/null");
    CHECK(shown.status == 0);
    CHECK(shown.out.find("\x1b[K") != std::string::npos);
    const Outcome piped = shell("TERM=xterm script -qec '" + pinctl + " | cat' /dev/null < /dev/null");
    CHECK(piped.out.find("\x1b[K") == std::string::npos);
    CHECK(piped.out.find("Total: 16 pins on") != std::string::npos);
}

TEST_CASE("pins of one process on the same pages are told apart by the object they were made for")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("memfd twice 65536");
    pinner.ok("pin " + rdma(daemon));
    const auto first = daemon.api().pins().at(0).id();
    pinner.ok("pin " + rdma(daemon));
    REQUIRE(daemon.api().pins().size() == 2);

    // The newer one goes first, which no address tells.
    const double ambiguous = Daemon::metrics().sum("pinwarden_releases_ambiguous_total");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_RELEASE});
    pinner.ok("release");
    const auto gone = watch.wait_for("its end", [](const auto& event) { return event.fully_released(); });
    CHECK(gone.pin().id() != first);
    CHECK(gone.release_rule() == "object");
    REQUIRE(daemon.api().pins().size() == 1);
    CHECK(daemon.api().pins().at(0).id() == first);
    expect_exact(daemon);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
    CHECK(Daemon::metrics().sum("pinwarden_releases_ambiguous_total") == ambiguous);
}
