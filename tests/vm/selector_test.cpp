// Policies that are about some pins only, and what they say of pins the daemon has not yet seen.
#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 65536;
constexpr unsigned kUid = 1234;

// A file that an RDMA device has pinned; by another user, if one is given.
struct PinnedFile {
    PinnedFile() { pin(); }
    explicit PinnedFile(unsigned uid) : pinner(uid) { pin(); }

    std::string path = Machine::instance().folder("tmpfs") + "/pinned";
    Pinner pinner;

private:
    void pin()
    {
        make_file(path, kSize);
        REQUIRE(shell("chmod 0666 " + path).status == 0);
        pinner.ok("file " + path + " " + std::to_string(kSize));
        pinner.ok("pin " + Machine::instance().rdma("rw"));
    }
};

}  // namespace

TEST_CASE("a policy that selects pins denies for those, once the daemon has seen them")
{
    struct Row {
        std::string match;
        int error;
    };
    const auto row = GENERATE(values<Row>({
        {"pin: {drivers: [rdma_rxe]}", EBUSY},
        {"pin: {drivers: [io_uring, rdma_rxe]}", EBUSY},
        {"pin: {drivers: [vfio]}", 0},
        {"pin: {min_bytes: 64KiB}", EBUSY},
        {"pin: {min_bytes: 1MiB}", 0},
        {"pin: {min_age: 1h}", 0},
        {"pin: {long_term: true}", EBUSY},
        {"pin: {long_term: false}", 0},
        {"owner: {uids: [0]}", EBUSY},
        {"owner: {uids: [1234]}", 0},
        {"owner: {comms: [pinner]}", EBUSY},
        {"owner: {comms: [trainer]}", 0},
        {"owner: {binaries: [" + shell("realpath $(type -P pinner) | tr -d '\\n'").out + "]}", EBUSY},
        {"owner: {binaries: [/usr/bin/pinner]}", 0},
        {"owner: {cgroups: [/]}", EBUSY},
        {"owner: {cgroups: [/nowhere]}", 0},
        {"owner: {containers: [nobody]}", 0},
        {"pin: {drivers: [rdma_rxe]}, owner: {uids: [1234]}", 0},
    }));
    INFO(row.match);
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.match = row.match});
    PinnedFile file;
    // Its answer says that it has seen the pin, and told the kernel.
    REQUIRE(daemon.api().pins().size() == 1);

    CHECK(try_truncate(file.path, 0) == row.error);
    CHECK(policy.status().denied() == (row.error == 0 ? 0 : 1));
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("a policy for a user is about that user's pins")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.match = "owner: {uids: [1234]}"});
    PinnedFile file(kUid);
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 1);
    CHECK(pins[0].owner().uid() == kUid);
    CHECK(try_truncate(file.path, 0) == EBUSY);
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("a pin that comes of age is covered from then on")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.match = "pin: {min_age: 500ms}"});
    PinnedFile file;
    // Until the daemon has seen it, it is denied as unresolved.
    REQUIRE(daemon.api().pins().size() == 1);
    // A byte less, because until then it goes through: the pinned page stays.
    eventually("it is denied",
               [&] { return try_truncate(file.path, kSize - 1) == EBUSY || try_truncate(file.path, kSize) != 0; });
    CHECK(try_truncate(file.path, 0) == EBUSY);
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("the errno is the policy's")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.error = "EPERM"});
    PinnedFile file;
    CHECK(try_truncate(file.path, 0) == EPERM);
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("the first policy that matches decides, all that match are counted")
{
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy elsewhere(daemon.api(), {.name = "elsewhere", .match = "pin: {drivers: [vfio]}"});
    const AppliedPolicy off(daemon.api(), {.name = "off", .mode = "off", .error = "EPERM"});
    const AppliedPolicy first(daemon.api(), {.name = "first", .error = "ETXTBSY"});
    const AppliedPolicy second(daemon.api(), {.name = "second", .mode = "monitor"});
    PinnedFile file;
    REQUIRE(daemon.api().pins().size() == 1);
    CHECK(try_truncate(file.path, 0) == ETXTBSY);
    CHECK(elsewhere.status().matched() == 0);
    CHECK(off.status().matched() == 0);
    CHECK(off.status().state() == "off");
    CHECK(first.status().matched() == 1);
    CHECK(first.status().denied() == 1);
    CHECK(second.status().matched() == 1);
    CHECK(second.status().would_have_denied() == 0);
    file.pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("what a pin counts for that the daemon has not yet seen is the policy's choice")
{
    struct Row {
        std::string match;
        std::string unresolved;
        int error;
    };
    const auto row = GENERATE(values<Row>({
        {"", "deny", EBUSY},
        {"", "allow", 0},
        {"pin: {drivers: [rdma_rxe]}", "deny", EBUSY},
        {"pin: {drivers: [rdma_rxe]}", "allow", 0},
        {"pin: {drivers: [vfio]}", "deny", EBUSY},
    }));
    INFO(row.match << " unresolved " << row.unresolved);
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), {.match = row.match, .unresolved = row.unresolved});
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT});
    std::optional<PinnedFile> file;
    {
        const Daemon::Paused paused(daemon);
        file.emplace();
        CHECK(try_truncate(file->path, 0) == row.error);
    }
    const auto conflict = watch.wait_for("conflict", [](const auto&) { return true; }).conflict();
    CHECK(conflict.unresolved() == (row.error != 0));
    CHECK(conflict.verdict() == (row.error == 0 ? "allow" : "deny"));
    CHECK(conflict.pins_size() == 1);
    file->pinner.ok("release");
    daemon.expect_nothing_pinned();
}
