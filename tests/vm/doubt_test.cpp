// What is decided when the ledger may be wrong.
#include <catch2/catch.hpp>
#include <cerrno>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kPage = 4096;
constexpr off_t kSize = 16 * kPage;

// Fills the ring of a daemon that does not read it.
void lose_events()
{
    Pinner noise;
    noise.ok("memfd noise 4096");
    for (int i = 0; i < 64; ++i) {
        noise.ok("pin uring");
        noise.ok("release");
    }
    noise.end();
}

}  // namespace

TEST_CASE("after a loss decisions follow `unresolved`, until the ledger is mended")
{
    const std::string unresolved = GENERATE("deny", "allow");
    INFO(unresolved);
    Daemon& daemon = Daemon::shared({"--ring-size", "16KiB"});
    Pinner selected;
    const std::string selected_file = selected.ok("memfd selected 65536");
    // A pin that no object follows is let go of after a loss, and found again without its driver.
    selected.ok("pin " + daemon.followed(Machine::instance().rdma("rw"), "rdma regions"));
    Pinner other;
    const std::string other_file = other.ok("memfd other 65536");
    other.ok("pin uring");
    const AppliedPolicy policy(daemon.api(), {.match = "pin: {drivers: [rdma_rxe]}", .unresolved = unresolved});
    eventually("the ledger is certain", [&] { return daemon.api().status().ledger_certain(); });
    CHECK(try_truncate(selected_file, kSize - kPage) == EBUSY);
    CHECK(try_truncate(other_file, kSize - kPage) == 0);
    {
        const Daemon::Paused paused(daemon);
        lose_events();
        // No daemon is needed to know that it cannot be relied upon.
        CHECK(try_truncate(selected_file, kSize - kPage) == (unresolved == "deny" ? EBUSY : 0));
        CHECK(try_truncate(other_file, kSize - 2 * kPage) == (unresolved == "deny" ? EBUSY : 0));
    }
    eventually("the ledger is mended", [&] { return daemon.api().status().ledger_certain(); });
    CHECK(try_truncate(selected_file, kSize - 4 * kPage) == EBUSY);
    CHECK(try_truncate(other_file, kSize - 4 * kPage) == 0);

    selected.ok("release");
    CHECK(try_truncate(selected_file, 0) == 0);
    other.end();
    selected.end();
    eventually("nothing is pinned", [&] { return daemon.api().pins().empty(); });
}
