// Pins without FOLL_LONGTERM that stay.
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = 65536;

// Copies from a mapping of the file given into memory whose first page fault nobody answers: the kernel keeps the
// file's pages pinned until the process is killed.
const std::string kStuckCopy = R"(
import ctypes, fcntl, mmap, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
file = os.open(sys.argv[1], os.O_RDWR)
source = mmap.mmap(file, 65536)
source[0] = 1
target = mmap.mmap(-1, 65536)
address = lambda memory: ctypes.addressof(ctypes.c_char.from_buffer(memory))
faults = libc.syscall(323, 0)
fcntl.ioctl(faults, 0xc018aa3f, struct.pack('QQQ', 0xaa, 0, 0))
fcntl.ioctl(faults, 0xc020aa00, struct.pack('QQQQ', address(target), 65536, 1, 0))
class Piece(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
to, origin = Piece(address(target), 65536), Piece(address(source), 65536)
print('copying', flush=True)
libc.process_vm_readv(os.getpid(), ctypes.byref(to), 1, ctypes.byref(origin), 1, 0)
)";

// Writes from a mapping of the file to a device.
const std::string kSlowWrite = R"(
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
source = mmap.mmap(file, 65536)
device = os.open(sys.argv[2], os.O_WRONLY | os.O_DIRECT)
print('writing', flush=True)
os.writev(device, [source])
)";

// A device whose writes end when they are let: it lies in a file of a file system that can be frozen.
class StuckDevice {
public:
    StuckDevice() : folder_(Machine::instance().folder("ext4"))
    {
        const Outcome made =
            shell("truncate -s 16M " + folder_ + "/disk && losetup --find --show " + folder_ + "/disk");
        REQUIRE(made.status == 0);
        path_ = made.out.substr(0, made.out.find('\n'));
        freeze("--freeze");
    }
    StuckDevice(const StuckDevice&) = delete;
    StuckDevice& operator=(const StuckDevice&) = delete;
    ~StuckDevice()
    {
        let_go();
        shell("losetup --detach " + path_);
    }

    void let_go()
    {
        if (frozen_) {
            freeze("--unfreeze");
        }
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    void freeze(const std::string& how)
    {
        const bool done = shell("fsfreeze " + how + " $(findmnt -n -o TARGET -T " + folder_ + ")").status == 0;
        frozen_ = done ? how == "--freeze" : frozen_;
        CHECK(done);
    }

    std::string folder_;
    std::string path_;
    bool frozen_ = false;
};

Daemon& tracking_daemon()
{
    return Daemon::shared({"--track-short-term", "--long-lived-after", "1s"});
}

void expect_shown_and_protected(Daemon& daemon, const std::string& path, const std::string& driver, pid_t owner)
{
    eventually("the pin is shown, with its file",
               [&] { return daemon.api().pins().size() == 1 && daemon.api().pins()[0].ranges_size() == 1; });
    const v1::Pin pin = daemon.api().pins()[0];
    CHECK_FALSE(pin.long_term());
    CHECK(pin.long_lived());
    CHECK(pin.driver() == driver);
    CHECK(pin.bytes() == static_cast<std::uint64_t>(kSize));
    CHECK(pin.owner().pid() == static_cast<unsigned>(owner));
    CHECK(pin.ranges(0).file().path() == path);
    CHECK(pin.ranges(0).first_page() == 0);
    CHECK(pin.ranges(0).pages() == 16);
    CHECK(pin.age().seconds() >= 1);
    CHECK(Daemon::metrics().sum("pinwarden_pins", {{"driver", driver}}) == 1);
    CHECK(try_truncate(path, 0) == EBUSY);
}

}  // namespace

TEST_CASE("a copy that got stuck is shown, protected, and gone when it ends")
{
    Daemon& daemon = tracking_daemon();
    const AppliedPolicy policy(daemon.api());
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_PIN, v1::EVENT_KIND_RELEASE});
    const std::string path = Machine::instance().folder("tmpfs") + "/copied";
    make_file(path, kSize);
    Process copy({"python3", "-c", kStuckCopy, path});
    CHECK(copy.read_line() == "copying");
    expect_shown_and_protected(daemon, path, "process_vm", copy.pid());
    const auto pinned = watch.wait_for("pin", [](const auto& e) { return e.kind() == v1::EVENT_KIND_PIN; });
    CHECK(pinned.pin().long_lived());

    copy.signal(SIGKILL);
    copy.wait();
    const auto released = watch.wait_for("release", [](const auto& e) { return e.fully_released(); });
    CHECK(released.pin().id() == pinned.pin().id());
    daemon.expect_nothing_pinned();
    CHECK(try_truncate(path, 0) == 0);
    CHECK(daemon.api().status().ledger_certain());
    CHECK(daemon.pinctl("audit").status == 0);
}

TEST_CASE("a direct write to a slow device is shown while it lasts")
{
    // Before 6.5 direct I/O takes plain references.
    if (Machine::instance().writable_file_pins()) {
        return;
    }
    Daemon& daemon = tracking_daemon();
    const AppliedPolicy policy(daemon.api());
    StuckDevice device;
    const std::string path = Machine::instance().folder("tmpfs") + "/written";
    make_file(path, kSize);
    Process write({"python3", "-c", kSlowWrite, path, device.path()});
    CHECK(write.read_line() == "writing");
    expect_shown_and_protected(daemon, path, "direct_io", write.pid());

    device.let_go();
    CHECK(write.wait() == 0);
    daemon.expect_nothing_pinned();
    CHECK(try_truncate(path, 0) == 0);
    CHECK(daemon.api().status().ledger_certain());
}
