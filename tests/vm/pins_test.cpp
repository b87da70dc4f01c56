// Pins by real drivers are listed as they are, and gone when they are let go.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

v1::Pin only_pin(Daemon& daemon)
{
    const auto pins = daemon.api().pins();
    INFO(daemon.pinctl("pins").out);
    REQUIRE(pins.size() == 1);
    return pins.front();
}

void expect_owner(const v1::Pin& pin, const Pinner& pinner, unsigned uid)
{
    CHECK(pin.owner().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(pin.owner().tid() == static_cast<unsigned>(pinner.pid()));
    CHECK(pin.owner().comm() == "pinner");
    CHECK(pin.owner().uid() == uid);
    CHECK_FALSE(pin.owner().exited());
    CHECK(pin.owner().start_time() < pin.acquire_time());
}

void expect_file(const v1::File& file, const std::string& path)
{
    struct stat status{};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK(file.device_major() == major(status.st_dev));
    CHECK(file.device_minor() == minor(status.st_dev));
    CHECK(file.inode() == status.st_ino);
}

// What differs from one answer to the next.
void forget_times(v1::ListPinsResponse& response)
{
    for (auto& pin : *response.mutable_pins()) {
        pin.clear_age();
        pin.clear_acquire_time();
        pin.mutable_owner()->clear_start_time();
    }
}

}  // namespace

TEST_CASE("a memory region on ext4 over soft-RoCE is listed with owner, driver, file and range")
{
    Daemon& daemon = Daemon::shared();
    Machine& machine = Machine::instance();
    const std::string path = machine.folder("ext4") + "/region";
    Pinner pinner;
    pinner.ok("file " + path + " 1048576");
    if (!machine.writable_file_pins()) {
        // The hazard of 2018 is refused by this kernel; a device that only reads is not.
        const auto failed = [] {
            return Daemon::metrics().sum("pinwarden_pins_failed_total", {{"driver", "rdma_rxe"}});
        };
        const double failed_before = failed();
        CHECK(pinner.error("pin " + machine.rdma("rw")) == "EFAULT");
        CHECK(failed() - failed_before == 1);
        daemon.expect_nothing_pinned();
    }
    const std::string address = pinner.ok("pin " + machine.rdma(machine.file_access()) + " 65536 262144");

    const v1::Pin pin = only_pin(daemon);
    expect_owner(pin, pinner, 0);
    CHECK(pin.driver() == "rdma_rxe");
    CHECK(pin.function() == "pin_user_pages_fast");
    CHECK(pin.backing() == "file");
    CHECK(pin.bytes() == 262144);
    CHECK(std::to_string(pin.address()) == address);
    CHECK(pin.long_term());
    CHECK(pin.writable() == machine.writable_file_pins());
    CHECK(pin.age().seconds() * 1'000'000'000 + pin.age().nanos() > 0);
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).first_page() == 16);
    CHECK(pin.ranges(0).pages() == 64);
    CHECK(pin.ranges(0).file().path() == path);
    CHECK(pin.ranges(0).file().filesystem() == "ext4");
    CHECK_FALSE(pin.ranges(0).file().deleted());
    expect_file(pin.ranges(0).file(), path);

    SECTION("pinctl tells the same")
    {
        v1::ListPinsResponse told;
        const Outcome json = daemon.pinctl("--json pins");
        REQUIRE(google::protobuf::util::JsonStringToMessage(json.out, &told).ok());
        auto listed = daemon.api().list_pins({});
        forget_times(told);
        forget_times(listed);
        CHECK(told.DebugString() == listed.DebugString());

        const std::string table = daemon.pinctl("pins").out;
        for (const std::string& word : {std::string("rdma_rxe"), std::string("256"), path, std::string("16-79")}) {
            CHECK(table.find(word) != std::string::npos);
        }
    }
    SECTION("the call stack leads to the driver, and shows no address")
    {
        v1::ListPinsRequest request;
        request.set_include_stack(true);
        const auto stacked = daemon.api().list_pins(request);
        std::string stack;
        for (const auto& frame : stacked.pins(0).stack()) {
            stack += frame + "\n";
        }
        CHECK(stack.find("ib_umem_get") != std::string::npos);
        CHECK(stack.find("[rdma_rxe]") != std::string::npos);
        CHECK(stack.find("ffff") == std::string::npos);
    }
    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("io_uring's buffers on a memfd are listed")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    const std::string path = pinner.ok("memfd buffers 262144");
    pinner.ok("pin uring");

    const v1::Pin pin = only_pin(daemon);
    expect_owner(pin, pinner, 0);
    CHECK(pin.driver() == "io_uring");
    CHECK(pin.backing() == "shmem");
    CHECK(pin.bytes() == 262144);
    CHECK(pin.writable());
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).first_page() == 0);
    CHECK(pin.ranges(0).pages() == 64);
    CHECK(pin.ranges(0).file().path() == "memfd:buffers");
    expect_file(pin.ranges(0).file(), path);

    pinner.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("memory mapped for a VFIO device is listed, and gone exactly when it is unmapped")
{
    const std::string access = GENERATE("rw", "ro");
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("anon 1048576");
    pinner.ok("fill mapping 41");
    // Read-only mappings are let go by another way: without marking pages dirty.
    pinner.ok("pin " + Machine::instance().vfio(access));

    const v1::Pin pin = only_pin(daemon);
    expect_owner(pin, pinner, 0);
    CHECK(pin.driver() == "vfio");
    CHECK(pin.backing() == "anonymous");
    CHECK(pin.bytes() == kMiB);
    CHECK(pin.ranges_size() == 0);
    CHECK(pin.writable() == (access == "rw"));
    CHECK(Daemon::metrics().sum("pinwarden_pinned_bytes", {{"driver", "vfio"}, {"backing", "anonymous"}}) == kMiB);

    pinner.ok("release");
    daemon.expect_nothing_pinned();
    CHECK(Daemon::metrics().sum("pinwarden_pinned_bytes") == 0);
    CHECK(Daemon::metrics().sum("pinwarden_pins") == 0);
}

TEST_CASE("a registration of 64 MiB is one pin, and gone to the last page")
{
    const std::string filesystem = GENERATE("tmpfs", "ext4", "xfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    Machine& machine = Machine::instance();
    const std::string path = machine.folder(filesystem) + "/large";
    Pinner pinner;
    pinner.ok("file " + path + " 67108864");
    const std::string access = filesystem == "tmpfs" ? "rw" : machine.file_access();
    pinner.ok("pin " + machine.rdma(access));

    const v1::Pin pin = only_pin(daemon);
    CHECK(pin.bytes() == 64 * kMiB);
    CHECK(pin.backing() == (filesystem == "tmpfs" ? "shmem" : "file"));
    REQUIRE(pin.ranges_size() == 1);
    CHECK(pin.ranges(0).first_page() == 0);
    CHECK(pin.ranges(0).pages() == 64 * kMiB / 4096);
    CHECK(pin.ranges(0).file().path() == path);
    CHECK(pin.ranges(0).file().filesystem() == filesystem);
    CHECK(Daemon::metrics().sum("pinwarden_pinned_bytes", {{"driver", "rdma_rxe"}}) == 64 * kMiB);

    pinner.ok("release");
    daemon.expect_nothing_pinned();
    pinner.end();
    REQUIRE(try_truncate(path, 0) == 0);
}

TEST_CASE("owners that share pages keep theirs")
{
    Daemon& daemon = Daemon::shared();
    const std::string path = Machine::instance().folder("tmpfs") + "/shared";
    const std::string rdma = Machine::instance().rdma("rw");
    Pinner one;
    Pinner two;
    one.ok("file " + path + " 65536");
    two.ok("file " + path + " 65536");
    one.ok("pin " + rdma + " 0 32768");
    two.ok("pin uring 16384 32768");
    CHECK(daemon.api().pins().size() == 2);
    CHECK(daemon.api().status().pinned_bytes() == 32768 + 32768);

    two.ok("release");
    const v1::Pin pin = only_pin(daemon);
    expect_owner(pin, one, 0);
    CHECK(pin.driver() == "rdma_rxe");
    CHECK(pin.bytes() == 32768);
    CHECK(pin.ranges(0).first_page() == 0);
    one.ok("release");
    daemon.expect_nothing_pinned();
}

TEST_CASE("subscribers see a pin come and go")
{
    Daemon& daemon = Daemon::shared();
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_PIN, v1::EVENT_KIND_RELEASE});
    Pinner pinner;
    pinner.ok("memfd watched 16384");
    pinner.ok("pin uring");
    const auto pinned = watch.wait_for("pin", [](const auto& event) { return event.kind() == v1::EVENT_KIND_PIN; });
    expect_owner(pinned.pin(), pinner, 0);
    CHECK(pinned.pin().driver() == "io_uring");
    CHECK(pinned.pin().bytes() == 16384);

    pinner.ok("release");
    const auto gone = watch.wait_for("its end", [](const auto& event) { return event.fully_released(); });
    CHECK(gone.kind() == v1::EVENT_KIND_RELEASE);
    CHECK(gone.pin().id() == pinned.pin().id());
    daemon.expect_nothing_pinned();
}

TEST_CASE("a process that is killed lets go, and the list with it")
{
    const std::string device = GENERATE("rdma", "uring");
    INFO(device);
    Daemon& daemon = Daemon::shared();
    const std::string target = device == "rdma" ? Machine::instance().rdma("rw") : "uring";
    Pinner pinner;
    pinner.ok("memfd victim 262144");
    pinner.ok("pin " + target);
    CHECK(daemon.api().pins().size() == 1);

    pinner.kill();
    // io_uring's are let go by a worker, some time after.
    eventually("its pin is gone", [&] {
        const auto pins = daemon.api().pins();
        for (const auto& pin : pins) {
            CHECK(pin.owner().exited());
        }
        return pins.empty();
    });
    daemon.expect_nothing_pinned();
}

TEST_CASE("a pin that outlives its owner is shown as an exited process's")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("memfd inherited 65536");
    pinner.ok("pin " + Machine::instance().rdma("rw"));
    const pid_t heir = std::stoi(pinner.ok("heir"));
    pinner.kill();

    eventually("the owner is known to have exited", [&] { return only_pin(daemon).owner().exited(); });
    const v1::Pin pin = only_pin(daemon);
    CHECK(pin.owner().pid() == static_cast<unsigned>(pinner.pid()));
    CHECK(pin.owner().comm() == "pinner");
    CHECK(pin.bytes() == 65536);

    REQUIRE(kill(heir, SIGKILL) == 0);
    eventually("its pin is gone", [&] { return daemon.api().pins().empty(); });
    daemon.expect_nothing_pinned();
}
