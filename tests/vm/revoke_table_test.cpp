// Every operation on every file system, with owners that let go when they are asked, and such that have to be killed.
#include <catch2/catch.hpp>
#include <csignal>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/ways.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

PolicyText revoking(const std::string& name, const std::string& revoke, const std::string& operations)
{
    return {.name = name, .operations = operations, .action = "hold: {timeout: 1m, revoke: {" + revoke + "}}"};
}

double signals_sent()
{
    return Daemon::metrics().sum("pinwarden_signals_total", {{"outcome", "sent"}});
}

void expect_alive(PinnedFile& file)
{
    CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
}

void expect_taken(const std::string& path)
{
    CHECK(content_of(path) != std::string(PinnedFile::kSize, 'A'));
}

void expect_answered(Daemon& daemon, const std::string& filesystem, const Way& way)
{
    PinnedFile file(filesystem);
    file.pinner.ok("answer");
    const double sent = signals_sent();
    const AppliedPolicy policy(
        daemon.api(), revoking("asks-" + way.operation, "notify: SIGUSR1, grace: 30s, then: [SIGKILL]", way.policy));
    CHECK(call(words(way, file.path)) == "ok");
    expect_taken(file.path);
    expect_alive(file);
    CHECK(policy.status().held() == 1);
    CHECK(policy.status().denied() == 0);
    CHECK(signals_sent() == sent + 1);
}

void expect_killed(Daemon& daemon, const std::string& filesystem, const Way& way)
{
    PinnedFile file(filesystem);
    file.pinner.ok("ignore");
    const double sent = signals_sent();
    const AppliedPolicy policy(daemon.api(),
                               revoking("kills-" + way.operation,
                                        "notify: SIGUSR1, grace: 200ms, then: [SIGTERM, 200ms, SIGKILL]", way.policy));
    CHECK(call(words(way, file.path)) == "ok");
    CHECK(file.pinner.wait() == 128 + SIGKILL);
    expect_taken(file.path);
    CHECK(policy.status().held() == 1);
    CHECK(policy.status().denied() == 0);
    CHECK(signals_sent() == sent + 3);
}

}  // namespace

TEST_CASE("every operation goes on once, when its owners let go or have been killed, and nobody else is",
          "[revoke_table]")
{
    // One daemon for each: all policies together may send 30 signals at once.
    const std::string filesystem = GENERATE("ext4", "xfs", "tmpfs");
    Daemon::stop_shared();
    Daemon daemon;
    PinnedFile bystander("tmpfs");
    for (const Way& way : ways_on(filesystem)) {
        INFO(filesystem << ' ' << way.operation);
        expect_answered(daemon, filesystem, way);
        expect_killed(daemon, filesystem, way);
        CHECK(bystander.whole());
        expect_alive(bystander);
    }
    bystander.pinner.ok("release");
    daemon.expect_nothing_pinned();
    daemon.stop();
}
