// Operations that go ahead, and whom policies signal about them; nobody else is.
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinned_file.h"
#include "support/ways.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Each has a name of its own: how many signals it may send counts by name.
PolicyText signalling(const std::string& name, const std::string& signal, const std::string& operations = "truncate")
{
    return {.name = name, .operations = operations, .unresolved = "hold", .action = "signal: {" + signal + "}"};
}

std::vector<std::string> staying(const Way& way, const std::string& path)
{
    std::vector<std::string> all = words(way, path);
    all.insert(all.begin(), "stay");
    return all;
}

double signals(const std::string& outcome)
{
    return Daemon::metrics().sum("pinwarden_signals_total", {{"outcome", outcome}});
}

double conflicts(const std::string& operation, const std::string& verdict, const std::string& mode)
{
    return Daemon::metrics().sum("pinwarden_conflicts_total",
                                 {{"operation", operation}, {"verdict", verdict}, {"mode", mode}});
}

// A process like the owner in every way but that its pins are on another file.
struct Bystander {
    void expect_unharmed()
    {
        CHECK(file.whole());
        CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
    }

    PinnedFile file{"tmpfs"};
};

}  // namespace

TEST_CASE("whoever takes pinned pages away is signalled, and is not in monitor mode", "[signal]")
{
    const auto [filesystem, way] = GENERATE(from_range(possible_ways()));
    INFO(filesystem << ' ' << way.operation);
    Daemon& daemon = Daemon::shared();
    PinnedFile file(filesystem);
    Bystander bystander;
    const std::string name = "caller-" + filesystem + "-" + way.operation;
    PolicyText text = signalling(name, "target: caller, signals: [SIGUSR2]", way.policy);
    text.mode = "monitor";
    {
        const AppliedPolicy policy(daemon.api(), text);
        const double before = signals("sent");
        Caller caller(staying(way, file.path));
        CHECK(caller.answer() == "ok");
        eventually("it was counted", [&] { return policy.status().would_have_signalled() == 1; });
        CHECK(policy.status().signalled() == 0);
        CHECK(signals("sent") == before);
        CHECK(caller.waiting());
        caller.signal(SIGKILL);
        CHECK(caller.wait() == 128 + SIGKILL);
    }
    PinnedFile again(filesystem);
    text.mode = "enforce";
    const AppliedPolicy policy(daemon.api(), text);
    const double before = signals("sent");
    Caller caller(staying(way, again.path));
    CHECK(caller.wait() == 128 + SIGUSR2);
    CHECK_FALSE(again.whole());
    CHECK(again.pinner.ok("pid") == std::to_string(again.pinner.pid()));
    CHECK(policy.status().signalled() == 1);
    CHECK(policy.status().matched() == 1);
    CHECK(signals("sent") == before + 1);
    bystander.expect_unharmed();
}

TEST_CASE("owners of pins that are taken away are signalled until they let go", "[signal]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    Bystander bystander;
    file.pinner.ok("ignore");
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_VERDICT, v1::EVENT_KIND_SIGNAL, v1::EVENT_KIND_REVOCATION});
    const AppliedPolicy policy(daemon.api(), signalling("owners", "signals: [SIGTERM, 300ms, SIGKILL]"));
    const double released = Daemon::metrics().sum("pinwarden_revocations_total", {{"outcome", "released"}});
    CHECK(call({"truncate", file.path, "16384"}) == "ok");
    CHECK(file.pinner.wait() == 128 + SIGKILL);
    CHECK(size_of(file.path) == 16384);
    bystander.expect_unharmed();
    const auto verdict =
        watch.wait_for("the verdict", [](const auto& event) { return event.conflict().verdict() == "signal"; });
    CHECK(verdict.conflict().policy() == "owners");
    const auto end = watch.wait_for("the end of the revocation", [](const auto& event) {
        return event.kind() == v1::EVENT_KIND_REVOCATION && event.revocation().end() != "begun";
    });
    REQUIRE(end.revocation().victims_size() == 1);
    CHECK(end.revocation().end() == "released");
    CHECK(end.revocation().victims(0).signals_size() == 2);
    CHECK(end.revocation().victims(0).process().pid() == static_cast<unsigned>(file.pinner.pid()));
    CHECK(Daemon::metrics().sum("pinwarden_revocations_total", {{"outcome", "released"}}) == released + 1);
    // On the record, each before it was sent.
    const std::string log = shell("cat " + daemon.audit_log()).out;
    CHECK(log.find("\"rule\":\"signal.signals[0]\"") != std::string::npos);
    CHECK(log.find("\"rule\":\"signal.signals[2]\"") != std::string::npos);
}

TEST_CASE("a policy that is deleted signals no further", "[signal]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    file.pinner.ok("ignore");
    {
        const AppliedPolicy policy(daemon.api(), signalling("short-lived", "signals: [SIGTERM, 2s, SIGKILL]"));
        const double before = signals("sent");
        CHECK(call({"truncate", file.path, "16384"}) == "ok");
        eventually("the first signal is sent", [&] { return signals("sent") == before + 1; });
    }
    // Another that began later has come to its end: by then this one's would have been there.
    PinnedFile later("tmpfs");
    later.pinner.ok("ignore");
    const AppliedPolicy policy(daemon.api(), signalling("outlives", "signals: [SIGTERM, 2s, SIGKILL]"));
    CHECK(call({"truncate", later.path, "16384"}) == "ok");
    CHECK(later.pinner.wait() == 128 + SIGKILL);
    CHECK(file.pinner.ok("pid") == std::to_string(file.pinner.pid()));
}

TEST_CASE(
    "an umount over pinned files goes ahead where it is only told, and its owners are signalled where policy says so",
    "[signal]")
{
    Daemon& daemon = Daemon::shared();
    const OwnMount mount("ext4");
    Pinner pinner;
    const std::string path = mount.in("pinned");
    make_file(path, 16384);
    pinner.ok("file " + path + " 16384");
    pinner.ok("pin " + Machine::instance().rdma(Machine::instance().file_access()));
    Bystander bystander;
    SECTION("told")
    {
        const AppliedPolicy policy(
            daemon.api(), {.name = "tells", .operations = "umount", .unresolved = "allow", .action = "notify: {}"});
        REQUIRE(daemon.api().pins().size() == 2);
        // Its mapping keeps it busy, as without us.
        CHECK(call({"umount", mount.path(), "0"}) == "EBUSY");
        CHECK(policy.status().notified() == 1);
        CHECK(conflicts("umount", "notify", "enforce") >= 1);
    }
    SECTION("signalled")
    {
        const AppliedPolicy policy(daemon.api(), signalling("umounts", "signals: [SIGTERM]", "umount"));
        CHECK(call({"umount", mount.path(), "0"}) == "EBUSY");
        CHECK(pinner.wait() == 128 + SIGTERM);
        eventually("its pins are gone", [&] { return call({"umount", mount.path(), "0"}) == "ok"; });
    }
    bystander.expect_unharmed();
}

TEST_CASE("what nothing can stop is answered by a signal, or told", "[signal]")
{
    Daemon& daemon = Daemon::shared();
    Bystander bystander;
    Pinner pinner;
    pinner.ok("anon 65536");
    pinner.ok("fill mapping 41");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    PolicyText text = signalling("unmapping", "target: owners, signals: [SIGUSR2]", "munmap, madv_dontneed");
    SECTION("told in monitor mode")
    {
        text.mode = "monitor";
        const AppliedPolicy policy(daemon.api(), text);
        pinner.ok("unmap 0 4096");
        eventually("it was counted", [&] { return policy.status().would_have_signalled() == 1; });
        CHECK(pinner.ok("pid") == std::to_string(pinner.pid()));
        CHECK(conflicts("munmap", "signal", "monitor") >= 1);
    }
    SECTION("told")
    {
        EventWatch watch(daemon.api(), {v1::EVENT_KIND_VERDICT});
        const AppliedPolicy policy(
            daemon.api(), {.name = "munmaps", .operations = "munmap", .unresolved = "allow", .action = "notify: {}"});
        pinner.ok("unmap 0 4096");
        const auto verdict = watch.wait_for("the verdict", [](const auto&) { return true; });
        CHECK(verdict.conflict().verdict() == "notify");
        CHECK(verdict.conflict().operation() == "munmap");
        CHECK(policy.status().notified() == 1);
    }
    SECTION("signalled, for such pins only")
    {
        text.match = "pin: {drivers: [vfio]}";
        text.name = "unmapping-vfio";
        {
            const AppliedPolicy other(daemon.api(), text);
            pinner.ok("unmap 0 4096");
            CHECK(other.status().matched() == 0);
        }
        text.match = "pin: {drivers: [rdma_rxe]}";
        text.name = "unmapping-rdma";
        const AppliedPolicy policy(daemon.api(), text);
        pinner.ok("advise dontneed 4096 4096");
        CHECK(pinner.wait() == 128 + SIGUSR2);
        CHECK(policy.status().signalled() == 1);
    }
    bystander.expect_unharmed();
}
