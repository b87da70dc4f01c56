// What lies under a pin, where pages are not small ones of an ordinary file: huge pages, and pins by file instead of by
// address.
#include <catch2/catch.hpp>
#include <filesystem>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kPage = 4096;

struct Expected {
    std::string driver;
    std::string backing;
    std::string path;
    std::uint64_t first_byte = 0;
    std::uint64_t bytes = 0;
};

void expect_pin(Daemon& daemon, const Expected& expected)
{
    const auto pins = daemon.api().pins();
    INFO(daemon.pinctl("pins").out);
    REQUIRE(pins.size() == 1);
    const v1::Pin& pin = pins.front();
    CHECK(pin.driver() == expected.driver);
    CHECK(pin.backing() == expected.backing);
    CHECK(pin.bytes() == expected.bytes);
    if (expected.path.empty()) {
        CHECK(pin.ranges().empty());
        return;
    }
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).file().path() == expected.path);
    CHECK_FALSE(pin.ranges(0).file().deleted());
    CHECK(pin.ranges(0).first_page() == expected.first_byte / kPage);
    CHECK(pin.ranges(0).pages() == expected.bytes / kPage);
}

std::string part(std::uint64_t first_byte, std::uint64_t bytes)
{
    return " " + std::to_string(first_byte) + " " + std::to_string(bytes);
}

// What the pinner calls the device.
std::string target_of(const std::string& device)
{
    Machine& machine = Machine::instance();
    if (device == "rdma") {
        return machine.rdma("rw");
    }
    return device == "vfio" ? machine.vfio("rw") : device;
}

void have_huge_pages()
{
    REQUIRE(shell("echo 8 > /proc/sys/vm/nr_hugepages; grep -q '^HugePages_Free: *[4-8]$' /proc/meminfo").status == 0);
}

}  // namespace

TEST_CASE("a pin of hugetlbfs from before the start is found at its place in the file")
{
    have_huge_pages();
    Daemon::stop_shared();
    Pinner pinner;
    pinner.ok("memfd early 4194304 huge");
    pinner.ok("pin uring" + part(2 * kMiB, 2 * kMiB));
    Daemon& daemon = Daemon::shared();
    eventually("the pin is found", [&] { return !daemon.api().pins().empty(); });
    const auto pins = daemon.api().pins();
    INFO(daemon.pinctl("pins").out);
    for (const v1::Pin& pin : pins) {
        CHECK(pin.backing() == "hugetlb");
        REQUIRE(pin.ranges_size() == 1);
        CHECK(pin.ranges(0).file().path() == "memfd:early");
        CHECK(pin.ranges(0).first_page() == 512);
        CHECK(pin.ranges(0).pages() == 512);
    }
    pinner.ok("release");
    eventually("it is gone", [&] { return daemon.api().pins().empty(); });
}

TEST_CASE("pins of hugetlbfs are listed in base pages")
{
    const auto [device, driver] =
        GENERATE(table<std::string, std::string>({{"uring", "io_uring"}, {"rdma", "rdma_rxe"}, {"vfio", "vfio"}}));
    INFO(device);
    have_huge_pages();
    Daemon& daemon = Daemon::shared();
    const std::string target = target_of(device);
    {
        Pinner pinner;
        pinner.ok("memfd huge 4194304 huge");
        pinner.ok("pin " + target + part(kMiB, 2 * kMiB));
        expect_pin(daemon, {driver, "hugetlb", "memfd:huge", kMiB, 2 * kMiB});
        pinner.ok("release");
        daemon.expect_nothing_pinned();

        const std::string path = "/dev/hugepages/" + device;
        pinner.ok("file " + path + " 4194304");
        pinner.ok("pin " + target + part(2 * kMiB, 2 * kMiB));
        expect_pin(daemon, {driver, "hugetlb", path, 2 * kMiB, 2 * kMiB});
        pinner.ok("release");
        pinner.end();
        std::filesystem::remove(path);
    }
    daemon.expect_nothing_pinned();
}

TEST_CASE("pins of transparent huge pages, of tmpfs and anonymous, are listed in base pages")
{
    const auto [device, driver] =
        GENERATE(table<std::string, std::string>({{"uring", "io_uring"}, {"rdma", "rdma_rxe"}, {"vfio", "vfio"}}));
    INFO(device);
    Daemon& daemon = Daemon::shared();
    const std::string target = target_of(device);
    const std::string mount = Machine::instance().folder("tmpfs");
    REQUIRE(shell("mount -t tmpfs -o huge=always tmpfs " + mount).status == 0);
    {
        Pinner pinner;
        pinner.ok("file " + mount + "/huge 8388608");
        pinner.ok("fill mapping 41");
        pinner.ok("pin " + target + part(kMiB + kPage, 4 * kMiB));
        expect_pin(daemon, {driver, "shmem", mount + "/huge", kMiB + kPage, 4 * kMiB});
        pinner.ok("release");
        daemon.expect_nothing_pinned();

        REQUIRE(shell("echo always > /sys/kernel/mm/transparent_hugepage/enabled").status == 0);
        pinner.ok("anon 8388608");
        pinner.ok("fill mapping 41");
        pinner.ok("pin " + target + part(kMiB + kPage, 4 * kMiB));
        expect_pin(daemon, {driver, "anonymous", "", 0, 4 * kMiB});
        pinner.ok("release");
        pinner.end();
    }
    daemon.expect_nothing_pinned();
    REQUIRE(shell("umount " + mount).status == 0);
}

TEST_CASE("a dma-buf of a memfd is listed with its pages, and gone when it is closed")
{
    // Before, it holds references, no pins.
    if (Machine::instance().older_than(6, 12)) {
        return;
    }
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("memfd buffer 65536");
    pinner.ok("pin udmabuf" + part(8192, 16384));
    expect_pin(daemon, {"udmabuf", "shmem", "memfd:buffer", 8192, 16384});
    CHECK(daemon.api().pins().front().function() == "memfd_pin_folios");
    // A registered buffer over the same pages goes by itself.
    pinner.ok("pin uring" + part(0, 65536));
    CHECK(daemon.api().pins().size() == 2);
    pinner.ok("release");
    expect_pin(daemon, {"udmabuf", "shmem", "memfd:buffer", 8192, 16384});
    pinner.ok("release");
    daemon.expect_nothing_pinned();

    have_huge_pages();
    pinner.ok("memfd huge 4194304 huge");
    pinner.ok("pin udmabuf" + part(2 * kMiB, 2 * kMiB));
    expect_pin(daemon, {"udmabuf", "hugetlb", "memfd:huge", 2 * kMiB, 2 * kMiB});
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}
