// What the daemon tells of itself; at the end, that nothing was lost or left in all the tests before.
#include <catch2/catch.hpp>
#include <set>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("every hook is listed, and those that are not attached say why")
{
    const auto status = Daemon::shared().api().status();
    std::set<std::string> attached;
    for (const auto& hook : status.hooks()) {
        INFO(hook.name());
        CHECK(hook.attached() == hook.reason().empty());
        CHECK_FALSE(hook.purpose().empty());
        CHECK(hook.missed() == 0);
        // What releases single pages is listened to only while a pin needs it.
        if (hook.attached() || (hook.purpose() == "release" && hook.reason().starts_with("every pin is followed"))) {
            attached.insert(hook.name());
        }
    }
    for (const std::string name :
         {"pin_user_pages", "pin_user_pages_fast", "pin_user_pages_remote", "pin_user_pages_unlocked",
          "unpin_user_page", "unpin_user_pages", "unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock",
          "security_inode_setattr", "sched_process_exit"}) {
        INFO(name);
        CHECK(attached.contains(name));
    }
    // From 6.9 to 6.11 on, one after the other.
    const bool has_folios = !Machine::instance().writable_file_pins();
    for (const std::string name : {"memfd_pin_folios", "unpin_user_folio", "unpin_folio", "unpin_folios"}) {
        INFO(name);
        CHECK(attached.contains(name) == has_folios);
    }
    CHECK(status.kernel_release() == shell("uname -r | tr -d '\\n'").out);
    CHECK(Daemon::shared().pinctl("status").status == 0);
}

TEST_CASE("the metrics are what Prometheus expects")
{
    Daemon::shared();
    const Outcome checked = shell("curl -fsS " + kMetricsUrl + " | promtool check metrics");
    INFO(checked.out << checked.err);
    CHECK(checked.status == 0);

    const Metrics metrics = Daemon::metrics();
    CHECK(metrics.has("pinwarden_pinned_bytes", {{"driver", "rdma_rxe"}, {"backing", "file"}}));
    CHECK(metrics.has("pinwarden_pins", {{"driver", "rdma_rxe"}, {"backing", "file"}}));
    CHECK(metrics.has("pinwarden_pins_acquired_total"));
    CHECK(metrics.has("pinwarden_pins_released_total"));
    CHECK(metrics.has("pinwarden_conflicts_total",
                      {{"operation", "truncate"}, {"verdict", "deny"}, {"mode", "enforce"}}));
    CHECK(metrics.has("pinwarden_events_lost_total"));
    CHECK(metrics.has("pinwarden_conflicts_by_driver_total", {{"driver", "rdma_rxe"}, {"verdict", "deny"}}));
    CHECK(metrics.sum("pinwarden_hooks", {{"purpose", "acquire"}, {"state", "attached"}}) > 0);
    CHECK(metrics.sum("pinwarden_hooks", {{"state", "failed"}}) == 0);
    CHECK(metrics.sum("pinwarden_ring_size_bytes") == 16 * 1024 * 1024);
    CHECK(metrics.sum("pinwarden_kernel_pins_acquired_total") > 0);
    CHECK(metrics.sum("process_resident_memory_bytes") > 0);
    CHECK(metrics.sum("pinwarden_build_info") == 1);
    CHECK(metrics.sum("pinwarden_pipeline_responding") == 1);
    for (const std::string label : {"pid=", "inode=", "path=", "comm="}) {
        CHECK(metrics.text().find(label) == std::string::npos);
    }
}

TEST_CASE("after all of it the ledger is empty, exactly, and nothing was lost")
{
    Daemon& daemon = Daemon::shared();
    const auto status = daemon.api().status();
    CHECK(status.ledger_certain());
    for (const auto& loss : status.losses()) {
        INFO(loss.cause());
        CHECK(loss.count() == 0);
    }
    CHECK(daemon.api().pins().empty());
    const Metrics metrics = Daemon::metrics();
    CHECK(metrics.sum("pinwarden_pins") == 0);
    CHECK(metrics.sum("pinwarden_pinned_bytes") == 0);
    CHECK(metrics.sum("pinwarden_pins_acquired_total") > 10000);
    CHECK(metrics.sum("pinwarden_pins_acquired_total") == metrics.sum("pinwarden_pins_released_total"));
    // Pages of nobody's pins: there were none from before the start.
    CHECK(metrics.sum("pinwarden_releases_unmatched_total") == 0);
    CHECK(metrics.sum("pinwarden_ledger_certain") == 1);
    Daemon::stop_shared();
}

TEST_CASE("a ring that is too small loses events and says so, but no truncate gets through")
{
    Daemon::stop_shared();
    Daemon daemon({"--ring-size", "16KiB"});
    const AppliedPolicy policy(daemon.api());
    Pinner pinner;
    pinner.ok("memfd lost 16384");
    const std::string device = Machine::instance().vfio("rw");
    {
        const Daemon::Paused paused(daemon);
        const auto result = pinner.race("race 200 " + device);
        CHECK(result.at("denied") == 200);
        CHECK(result.at("allowed") == 200);
    }
    const auto status = daemon.api().status();
    std::uint64_t lost = 0;
    for (const auto& loss : status.losses()) {
        lost += loss.affects_ledger() ? loss.count() : 0;
    }
    CHECK(lost > 0);
    CHECK(Daemon::metrics().sum("pinwarden_events_lost_total") >= static_cast<double>(lost));

    // That it was uncertain meanwhile is over before anybody could ask.
    eventually("the ledger is mended", [&] {
        return daemon.messages().find("it is exact again") != std::string::npos &&
               daemon.api().status().ledger_certain();
    });

    // Nothing is enforced, or forgotten, on the strength of a wrong ledger.
    const auto result = pinner.race("race 200 " + device);
    CHECK(result.at("denied") == 200);
    CHECK(result.at("allowed") == 200);
    pinner.end();
    daemon.stop();
}

// Last of all: there is no way back.
TEST_CASE("a kernel that is locked down is refused with the reason")
{
    Daemon::stop_shared();
    REQUIRE(shell("echo confidentiality > /sys/kernel/security/lockdown").status == 0);
    for (const std::string command : {"pinwardend", "pinwardend --probe"}) {
        INFO(command);
        const Outcome refused = shell(command);
        INFO(refused.err);
        CHECK(refused.status == 1);
        CHECK(refused.err.find("pinwardend: this kernel is locked down (confidentiality") != std::string::npos);
    }
}
