// More than the daemon may take.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/process.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::chrono::seconds kMany{400};

std::uint64_t lost_to_memory(Daemon& daemon)
{
    const auto status = daemon.api().status();
    for (const auto& loss : status.losses()) {
        if (loss.cause() == "memory_limit") {
            return loss.count();
        }
    }
    FAIL("no such cause");
    return 0;
}

bool certain(const Daemon& daemon)
{
    return daemon.pinctl("status").out.find("Ledger    certain") != std::string::npos;
}

}  // namespace

TEST_CASE("at its memory limit the daemon follows no more pins, denies all the same, and is exact again with room")
{
    Daemon::stop_shared();
    Daemon daemon({"--memory-limit", "16MiB"});
    const AppliedPolicy policy(daemon.api());
    PinnedFile before("tmpfs");
    // Registers one piece of memory after the other, until somebody ends it.
    Process many({"bash", "-c",
                  "(echo anon 536870912; for ((i = 0;; i = (i + 65536) % 536870912)); do echo pin " +
                      Machine::instance().rdma("rw") + " $i 65536; done) | pinner > /dev/null"});
    eventually("the limit is reached", [&] { return lost_to_memory(daemon) > 0; }, kMany);
    CHECK(daemon.messages().find("memory_limit (16MiB) is reached") != std::string::npos);
    // Or says so again: what is let go meanwhile makes room.
    eventually("the ledger is not certain", [&] { return !certain(daemon); }, kMany);
    const auto resident =
        std::stoul(shell("awk '/^VmRSS/ {print $2}' /proc/" + std::to_string(daemon.pid()) + "/status").out);
    INFO(resident << " kB resident");
    CHECK(resident < 128 * 1024);

    // Of one the ledger knows the pin, of the other it does not.
    PinnedFile after("tmpfs");
    CHECK(try_truncate(before.path, 16384) == EBUSY);
    CHECK(try_truncate(after.path, 16384) == EBUSY);

    REQUIRE(shell("pkill -KILL -x pinner -P " + std::to_string(many.pid())).status == 0);
    try {
        eventually("there is room again", [&] { return certain(daemon); }, kMany);
    } catch (const std::exception& error) {
        FAIL(error.what() << "\n" << daemon.messages() << daemon.pinctl("status").out);
    }
    CHECK(daemon.messages().find("there is room below memory_limit again") != std::string::npos);
    CHECK(daemon.pinctl("audit").status == 0);
    eventually("both are in the ledger", [&] { return daemon.api().status().pinned_bytes() == 2 * 16384; });
    CHECK(try_truncate(after.path, 16384) == EBUSY);
    before.pinner.ok("release all");
    after.pinner.ok("release all");
    CHECK(try_truncate(before.path, 16384) == 0);
    CHECK(try_truncate(after.path, 16384) == 0);
}
