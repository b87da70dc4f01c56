// What takes pinned pages away from the addresses of a process is a conflict, and nothing else is.
#include <catch2/catch.hpp>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Conflicts since the construction, of one operation or of all.
class Conflicts {
public:
    // Advice that drops pages is counted as one, whichever it is.
    explicit Conflicts(const std::string& operation = "")
        : labels_(operation.empty()
                      ? Metrics::Labels{}
                      : Metrics::Labels{{"operation", operation.starts_with("madv_") && operation != "madv_remove"
                                                          ? "madvise"
                                                          : operation}}),
          before_(count())
    {
    }
    [[nodiscard]] double more() const { return count() - before_; }

private:
    [[nodiscard]] double count() const { return Daemon::metrics().sum("pinwarden_conflicts_total", labels_); }

    Metrics::Labels labels_;
    double before_;
};

// 16 pages of private memory of which 4 to 7 are pinned.
const std::string kMap = "anon 65536";
const std::string kPart = " 16384 16384";
constexpr std::uint64_t kPartBytes = 16384;

v1::Conflict only_conflict(EventWatch& watch)
{
    watch.wait_for("conflict", [](const auto&) { return true; });
    REQUIRE(watch.so_far().size() == 1);
    return watch.so_far().front().conflict();
}

}  // namespace

TEST_CASE("an invalidation of exactly what is pinned is one conflict of its kind, one beside it is none")
{
    struct Way {
        std::string command;
        std::string operation;
    };
    const auto way = GENERATE(Way{"unmap", "munmap"}, Way{"cover", "mmap_fixed"}, Way{"move", "mremap"},
                              Way{"advise dontneed", "madv_dontneed"}, Way{"advise guard", "madv_guard"});
    INFO(way.command);
    if (way.operation == "madv_guard" && Machine::instance().older_than(6, 13)) {
        return;
    }
    Daemon& daemon = Daemon::shared();
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT, v1::EVENT_KIND_VERDICT});
    const Conflicts all;
    const Conflicts of_kind(way.operation);
    Pinner pinner;
    pinner.ok(kMap);
    pinner.ok("fill mapping 41");
    const std::string address = pinner.ok("pin uring" + kPart);

    pinner.ok(way.command + " 0 16384");
    pinner.ok(way.command + " 32768 32768");
    CHECK(all.more() == 0);

    pinner.ok(way.command + kPart);
    CHECK(of_kind.more() == 1);
    CHECK(all.more() == 1);
    const v1::Conflict seen = only_conflict(watch);
    CHECK(seen.operation() == way.operation);
    CHECK_FALSE(seen.has_file());
    CHECK(std::to_string(seen.address()) == address);
    CHECK(seen.length() == kPartBytes);
    CHECK(seen.pinned_bytes() == kPartBytes);
    CHECK(seen.caller().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(seen.verdict() == "allow");
    REQUIRE(seen.pins_size() == 1);
    CHECK(seen.pins(0).driver() == "io_uring");
    CHECK(seen.pins(0).owner().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(seen.pins(0).bytes() == kPartBytes);

    // What is pinned is elsewhere now, or nowhere.
    pinner.ok(way.command + kPart);
    CHECK(all.more() == 1);
    CHECK(daemon.api().status().pinned_bytes() == kPartBytes);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("whoever pinned, unmapping is seen")
{
    const std::string device = GENERATE("rdma", "vfio");
    INFO(device);
    Daemon& daemon = Daemon::shared();
    Machine& machine = Machine::instance();
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT});
    Pinner pinner;
    pinner.ok(kMap);
    pinner.ok("pin " + (device == "rdma" ? machine.rdma("rw") : machine.vfio("rw")) + kPart);
    // Two pages of it, and two beside.
    pinner.ok("unmap 8192 16384");
    const v1::Conflict seen = only_conflict(watch);
    CHECK(seen.operation() == "munmap");
    CHECK(seen.length() == kPartBytes);
    CHECK(seen.pinned_bytes() == kPartBytes / 2);
    REQUIRE(seen.pins_size() == 1);
    CHECK(seen.pins(0).driver() == (device == "rdma" ? "rdma_rxe" : "vfio"));
    const std::string shown = daemon.pinctl("pins").out;
    CHECK(shown.find(device == "rdma" ? "rdma_rxe" : "vfio") != std::string::npos);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("what was released, and other processes' memory, is no conflict")
{
    Daemon& daemon = Daemon::shared();
    const Conflicts all;
    Pinner pinner;
    Pinner bystander;
    pinner.ok(kMap);
    pinner.ok("pin uring 0 16384");
    pinner.ok("pin uring" + kPart);
    pinner.ok("release");
    bystander.ok(kMap);
    for (const std::string command : {"unmap", "cover", "advise dontneed"}) {
        bystander.ok(command + kPart);
        pinner.ok(command + kPart);
    }
    CHECK(all.more() == 0);
    pinner.ok("unmap 0 4096");
    CHECK(all.more() == 1);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("pinned pages that were moved are followed")
{
    Daemon& daemon = Daemon::shared();
    const Conflicts munmaps("munmap");
    const Conflicts all;
    Pinner pinner;
    pinner.ok(kMap);
    pinner.ok("pin uring" + kPart);
    pinner.ok("move" + kPart);
    pinner.ok("unmap" + kPart);
    CHECK(munmaps.more() == 0);
    pinner.ok("unmap moved");
    CHECK(munmaps.more() == 1);
    CHECK(all.more() == 2);
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("advice that leaves pinned pages in place is no conflict")
{
    Daemon& daemon = Daemon::shared();
    const Conflicts all;
    const Conflicts removals("madv_remove");
    {
        // A file's pages come back as the same ones.
        Pinner pinner;
        pinner.ok("memfd shared 65536");
        pinner.ok("fill mapping 41");
        pinner.ok("pin uring" + kPart);
        pinner.ok("advise dontneed" + kPart);
        CHECK(pinner.ok("look mapping") == "41x16");
        CHECK(all.more() == 0);
        pinner.ok("advise remove" + kPart);
        CHECK(pinner.ok("look mapping") == "41x4 00x4 41x8");
        CHECK(removals.more() == 1);
        pinner.ok("release");
    }
    {
        Pinner pinner;
        pinner.ok(kMap);
        pinner.ok("fill mapping 41");
        pinner.ok("pin uring" + kPart);
        pinner.ok("advise free" + kPart);
        CHECK(all.more() == 1);
        pinner.ok("release");
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("the end of a process with pins is no invalidation")
{
    Daemon& daemon = Daemon::shared();
    Machine& machine = Machine::instance();
    const std::string device = GENERATE("uring", "rdma", "guest and uring");
    INFO(device);
    const Conflicts all;
    Pinner pinner;
    pinner.ok(kMap);
    if (device == "rdma") {
        pinner.ok("pin " + machine.rdma("rw") + kPart);
    } else {
        if (device != "uring") {
            pinner.ok("pin " + machine.guest());
        }
        pinner.ok("pin uring" + kPart);
    }
    pinner.kill();
    eventually("its pin is gone", [&] { return daemon.api().pins().empty(); });
    CHECK(all.more() == 0);
    daemon.expect_nothing_pinned();
}

TEST_CASE("of a virtual machine's memory an invalidation is seen once, and told by what it was")
{
    Daemon& daemon = Daemon::shared();
    const std::string guest = Machine::instance().guest();
    const Conflicts all;
    SECTION("by a system call that says so itself")
    {
        const auto [command, operation] =
            GENERATE(std::pair("unmap", "munmap"), std::pair("cover", "mmap_fixed"), std::pair("move", "mremap"),
                     std::pair("advise dontneed", "madv_dontneed"));
        INFO(command);
        const Conflicts of_kind(operation);
        Pinner pinner;
        pinner.ok(kMap);
        pinner.ok("fill mapping 41");
        pinner.ok("pin " + guest);
        pinner.ok("pin uring" + kPart);
        pinner.ok(command + std::string(" 0 16384"));
        CHECK(all.more() == 0);
        pinner.ok(command + kPart);
        CHECK(of_kind.more() == 1);
        CHECK(all.more() == 1);
        pinner.ok("release all");
    }
    SECTION("by one that does not, through its notifier")
    {
        EventWatch watch(daemon.api(), {v1::EVENT_KIND_CONFLICT});
        const Conflicts invalidations("invalidate");
        Pinner pinner;
        pinner.ok("segment 65536");
        pinner.ok("pin " + guest);
        // Not io_uring: before 6.5 it refuses such memory.
        pinner.ok("pin " + Machine::instance().rdma("rw") + kPart);
        pinner.ok("detach");
        CHECK(invalidations.more() == 1);
        CHECK(all.more() == 1);
        const v1::Conflict seen = only_conflict(watch);
        CHECK(seen.operation() == "invalidate");
        CHECK(seen.pinned_bytes() == kPartBytes);
        CHECK(seen.caller().pid() == static_cast<unsigned>(pinner.pid()));
        pinner.ok("release all");
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("a policy that would stop an invalidation is refused with the reason")
{
    const std::string message = Daemon::shared().api().refuse(
        "name: unmapping\nmode: enforce\nmatch: {operations: [munmap]}\naction: {deny: {errno: EBUSY}}\n");
    CHECK(message.find("munmap") != std::string::npos);
    CHECK(message.find("cannot be stopped") != std::string::npos);
}
