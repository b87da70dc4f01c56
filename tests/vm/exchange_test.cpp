// One daemon follows another: nothing slips through between them, and what the first knew of pins the second knows,
// also of those that were made when neither was there.
#include <absl/cleanup/cleanup.h>

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/process.h"
#include "support/temporary_folder.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Truncates a file without pause, which is never to succeed.
class Truncating {
public:
    explicit Truncating(const std::string& path)
        : process_(
              {"bash", "-c",
               "while ! read -t 0; do truncate -s 16384 " + path + " 2> /dev/null && echo through; done; echo end"})
    {
    }
    void expect_none()
    {
        process_.close_input();
        CHECK(process_.read_line() == "end");
    }

private:
    Process process_;
};

// What is pinned by whom and since when, without what each daemon numbers anew; sorted.
std::string pins_of(const Daemon& daemon)
{
    const Outcome listed = shell("pinctl --socket " + daemon.socket() +
                                 " pins --json --stack | jq -cS '[.pins[] | {driver, function, bytes, "
                                 // Each daemon asks anew how the two clocks differ.
                                 "time: .acquire_time[:22], "
                                 // Where the kernel exchanged a trampoline while the call was under way, the daemon
                                 // that saw it has no name for the old one, and the next one leaves it out.
                                 "long_term, stack: [.stack[]? | select(. != \"unknown\" and . != \"ib_umem_get+0x5 "
                                 "[ib_uverbs]\")], pid: .owner.pid, start: .owner.start_time[:22], comm: .owner.comm, "
                                 "executable: .owner.executable, orphan: (.orphaned_since != null), "
                                 "files: [.ranges[]? | {path, first_page, pages}]}] | sort_by(.time)[]'");
    return listed.status == 0 ? listed.out : "no list: " + listed.err;
}

std::string adopted(const Daemon& daemon)
{
    return shell("pinctl --socket " + daemon.socket() + " pins --json | jq -r '.trust.adopted_pins // 0'").out;
}

void expect_exact(const Daemon& daemon)
{
    const Outcome audit = daemon.pinctl("audit");
    INFO(audit.out << audit.err);
    CHECK(audit.status == 0);
}

void wait_for(Daemon& daemon, const std::string& pins)
{
    std::string now;
    try {
        eventually("the daemon has taken over", [&] { return (now = pins_of(daemon)) == pins; });
    } catch (const std::exception& error) {
        FAIL(error.what() << ": it has\n" << now << "and should have\n" << pins << daemon.messages());
    }
}

}  // namespace

TEST_CASE("a daemon that follows a killed one, or one that was told to end, knows whose pins there are")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::string policy = folder.file("policy.yaml");
    // By what only those who saw the pins being made know.
    REQUIRE(shell("cat > " + policy + " << 'E'\n" +
                  to_yaml({.match = "pin: {drivers: [rdma_rxe, io_uring], min_age: 1s}, owner: {comms: [pinner]}",
                           .when_unattended = "keep"}) +
                  "\nE\n")
                .status == 0);
    const std::vector<std::string> options{"--policy", policy, "--state-dir", folder.file("state"), "--user-stacks"};
    std::optional<Daemon> daemon(std::in_place, options);
    PinnedFile file("tmpfs");
    eventually("what is known is kept", [&] { return shell("test -s " + folder.file("state/pins")).status == 0; });
    // After that: known only from what is left in the ring.
    Pinner other;
    const std::string path = Machine::instance().folder("tmpfs") + "/other";
    other.ok("file " + path + " 65536");
    other.ok("pin uring 0 65536");
    // Its owner is gone by then, and another process keeps it alive.
    Pinner orphaning;
    orphaning.ok("anon 65536");
    orphaning.ok("pin " + Machine::instance().rdma("rw") + " 0 65536");
    const std::string heir = orphaning.ok("heir");
    // Also where something below fails: what it holds would be in the way of all that follows.
    const absl::Cleanup end_heir = [&heir] { static_cast<void>(shell("kill -KILL " + heir + " 2> /dev/null")); };
    orphaning.kill();
    // Not by trying: a pin that is too young to be protected would lose its pages.
    for (const std::string& pinned : {file.path, path}) {
        eventually("the pins are old enough", [&] {
            return daemon->pinctl("policy test --operation truncate:0 --file " + pinned).out.find("deny with EBUSY") !=
                   std::string::npos;
        });
    }
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    CHECK(try_truncate(path, 0) == EBUSY);
    const std::string before = pins_of(*daemon);
    REQUIRE_FALSE(before.starts_with("no list"));
    INFO(before);
    CHECK(adopted(*daemon) == "0\n");

    Truncating one(file.path);
    Truncating two(path);
    daemon.reset();
    // First: the audit log sums up what comes at too high a rate.
    const std::string unheard = folder.file("unheard");
    CHECK(shell("cp $(command -v truncate) " + unheard + " && ! " + unheard + " -s 16384 " + file.path).status == 0);
    // What is in force is nothing to mend.
    const Outcome mended = shell("pinwardend --repair --state-dir " + folder.file("state"));
    INFO(mended.out);
    CHECK(mended.out.find("stays: start pinwardend, which takes it over") != std::string::npos);
    daemon.emplace(options);
    wait_for(*daemon, before);
    CHECK(adopted(*daemon) == "0\n");
    expect_exact(*daemon);
    eventually("the set before is gone", [] { return shell("ls /sys/fs/bpf/pinwarden/links | wc -l").out == "1\n"; });
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    CHECK(try_truncate(path, 0) == EBUSY);
    // What happened while nobody was there to hear of it.
    const std::string conflicts = daemon->pinctl("conflicts --last 1000").out;
    INFO(conflicts);
    CHECK(conflicts.find("unheard") != std::string::npos);
    CHECK(shell("grep -c '\"unheard' " + daemon->audit_log()).status == 0);

    daemon->stop();
    daemon.emplace(options);
    wait_for(*daemon, before);
    CHECK(adopted(*daemon) == "0\n");
    expect_exact(*daemon);
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    CHECK(try_truncate(path, 0) == EBUSY);
    one.expect_none();
    two.expect_none();
    CHECK(file.whole());

    // They are let go like any others.
    file.pinner.ok("release all");
    other.kill();
    CHECK(try_truncate(file.path, 16384) == 0);
    eventually("it is free", [&] { return try_truncate(path, 0) == 0; });
    REQUIRE(shell("kill -KILL " + heir).status == 0);
    eventually("nothing is pinned", [&] { return daemon->api().status().pinned_bytes() == 0; });
    expect_exact(*daemon);
}

TEST_CASE("without anything that stays in force, what the daemon before knew is taken for likely", "[alike]")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::vector<std::string> options{"--state-dir", folder.file("state")};
    std::optional<Daemon> daemon(std::in_place, options);
    PinnedFile file("tmpfs");
    Pinner gone;
    gone.ok("anon 65536");
    gone.ok("pin uring 0 65536");
    eventually("both are listed", [&] { return daemon->api().status().pinned_bytes() == 16384 + 65536; });
    daemon->stop();
    gone.kill();
    // Another one where that was, perhaps on its very pages.
    Pinner later;
    later.ok("anon 65536");
    later.ok("pin uring 0 65536");

    daemon.emplace(options);
    daemon->wait_for_census();
    eventually("both are listed", [&] { return daemon->api().status().pinned_bytes() == 16384 + 65536; });
    const std::string pins = pins_of(*daemon);
    REQUIRE_FALSE(pins.starts_with("no list"));
    INFO(pins);
    CHECK(pins.find("\"driver\":\"rdma_rxe\"") != std::string::npos);
    CHECK(pins.find("\"pid\":" + std::to_string(gone.pid())) == std::string::npos);
    expect_exact(*daemon);
}

TEST_CASE("what is kept of pins is damaged, of another version, or of another start: nothing is taken from it",
          "[alike]")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::vector<std::string> options{"--state-dir", folder.file("state")};
    std::optional<Daemon> daemon(std::in_place, options);
    PinnedFile file("tmpfs");
    eventually("it is listed", [&] { return daemon->api().status().pinned_bytes() == 16384; });
    daemon->stop();
    const std::string kept = folder.file("state/pins");
    CHECK(shell("stat -c %a " + kept).out == "600\n");
    REQUIRE(shell("printf x | dd of=" + kept + " bs=1 seek=100 conv=notrunc").status == 0);
    daemon.emplace(options);
    daemon->wait_for_census();
    CHECK(daemon->messages().find(kept + ": it is damaged") != std::string::npos);
    CHECK(adopted(*daemon) != "0\n");
    expect_exact(*daemon);
}
