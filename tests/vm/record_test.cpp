// Recordings of this kernel, and what the pipeline makes of them without it.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// What of all pins must be the same for a daemon and for its recording.
std::string pins_of(const std::string& pinctl)
{
    const Outcome pins =
        shell(pinctl +
              " pins --stack --json | jq -c '.pins[] | [.id, .owner.pid, .owner.comm, .owner.cgroup_path, "
              ".owner.executable, .driver, .driver_frame, .object, .bytes, .address, .backing, .writable, "
              ".acquire_time[:23], (.orphaned_since // \"\")[:23], .stack, [.ranges[] | [.file.path, .file.filesystem, "
              ".file.inode, .first_page, .pages]]]'");
    INFO(pins.err);
    CHECK(pins.status == 0);
    return pins.out;
}

// Text of the kernel and of its modules lies there, whatever the kernel was built with.
bool leads_into_kernel(const std::string& bytes)
{
    for (std::size_t at = 0; at + 8 <= bytes.size(); ++at) {
        const bool upper = bytes.compare(at + 4, 4, "\xff\xff\xff\xff") == 0;
        const auto third = static_cast<unsigned char>(bytes[at + 3]);
        if (upper && third >= 0x80 && third < 0xfe) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("a recording replays to what the daemon had, and names no address of the kernel")
{
    Daemon& daemon = Daemon::shared();
    Machine& machine = Machine::instance();
    const std::string folder = shell("mktemp -d").out;
    const std::string file = folder.substr(0, folder.size() - 1) + "/recording";
    const AppliedPolicy policy(daemon.api(), {.name = "recorded"});

    // Before it begins: one that stays, one that goes, one whose owner is gone, half of one.
    PinnedFile before("tmpfs");
    Pinner going;
    going.ok("memfd going 65536");
    going.ok("pin uring");
    Pinner orphaning;
    orphaning.ok("memfd left 16384");
    orphaning.ok("pin " + daemon.followed(machine.rdma("rw"), "rdma regions"));
    const std::string heir = orphaning.ok("heir");
    orphaning.kill();
    eventually("it is an orphan",
               [&] { return daemon.pinctl("pins --orphans").out.find("memfd:left") != std::string::npos; });

    Process recording({"pinctl", "--socket", daemon.socket(), "record", file});
    eventually("it has begun", [&] { return std::filesystem::exists(file) && std::filesystem::file_size(file) > 0; });
    const Outcome second = daemon.pinctl("record " + file + ".second --for 1s");
    INFO(second.out << second.err);
    CHECK(second.err.find("a recording is under way already") != std::string::npos);
    CHECK(daemon.pinctl("record " + file).err.find("--force") != std::string::npos);

    Pinner later;
    const std::string path = machine.folder("ext4") + "/recorded";
    later.ok("file " + path + " 262144");
    later.ok("pin " + machine.rdma("ro"));
    later.ok("pin " + machine.rdma("ro") + " 8192 16384");
    CHECK(try_truncate(path, 0) == EBUSY);
    CHECK(try_truncate(before.path, 0) == EBUSY);
    {
        const AppliedPolicy another(daemon.api(), {.name = "another", .error = "EPERM"});
        later.ok("release");
        CHECK(try_truncate(path, 0) == EBUSY);
    }
    Pinner gone;
    gone.ok("anon 65536");
    gone.ok("pin xdp 0 65536");
    gone.end();
    later.ok("unmap 0 8192");
    going.ok("release all");
    going.end();
    eventually("what ended is let go", [&] { return daemon.api().pins().size() == 3; });

    recording.signal(SIGINT);
    CHECK(recording.wait() == 0);
    const std::string from_file = "pinctl --recording " + file;
    const std::string pins = pins_of("pinctl --socket " + daemon.socket());
    CHECK(pins.find("memfd:left") != std::string::npos);
    CHECK(pins.find("rxe_mr_init_user") != std::string::npos);
    CHECK(pins_of(from_file) == pins);
    CHECK_FALSE(leads_into_kernel(shell("zcat " + file).out));

    const Outcome replayed = shell("pinwardend --replay " + file + " 2>&1 > " + file + ".events");
    INFO(replayed.out);
    CHECK(replayed.status == 0);
    CHECK(replayed.out.find("3 pins with") != std::string::npos);
    CHECK(replayed.out.find("the ledger is certain, 0 records were lost") != std::string::npos);
    const Outcome verdicts =
        shell("jq -r 'select(.kind == \"EVENT_KIND_VERDICT\") | .conflict.policy' " + file + ".events");
    CHECK(verdicts.out == "recorded\nrecorded\nrecorded\n");

    const Outcome conflicts = shell(from_file + " conflicts");
    INFO(conflicts.out << conflicts.err);
    CHECK(conflicts.out.find(path) != std::string::npos);
    CHECK(conflicts.out.find("munmap") != std::string::npos);
    const Outcome report = shell("pinctl report " + file);
    INFO(report.out << report.err);
    CHECK(report.status == 0);
    CHECK(report.out.find("as the daemon had") != std::string::npos);
    CHECK(report.out.find("rxe_mr_init_user+") != std::string::npos);
    CHECK(report.out.find("Trust: certain; lost 0") != std::string::npos);
    CHECK(shell("pinctl diff " + file + " " + file).out.find(", as before") != std::string::npos);
    CHECK(shell(from_file + " policy delete recorded").err.find("this is a recording") != std::string::npos);

    // For tests/data: see its README.
    if (const char* keep = std::getenv("PINWARDEN_KEEP_RECORDINGS")) {  // NOLINT(concurrency-mt-unsafe)
        CHECK(shell("cp " + file + " " + keep + "/$(uname -r | cut -d. -f1,2).pwrec").status == 0);
    }
    kill(static_cast<pid_t>(std::stol(heir)), SIGKILL);
    before.pinner.end();
    later.end();
    eventually("all is released", [&] { return daemon.api().pins().empty(); });
    // Whoever did not end it, but died: it is read up to its last state.
    Process killed({"pinctl", "--socket", daemon.socket(), "record", file + ".killed"});
    eventually("it has begun", [&] {
        return std::filesystem::exists(file + ".killed") && std::filesystem::file_size(file + ".killed") > 0;
    });
    killed.signal(SIGKILL);
    killed.wait();
    const Outcome cut = shell("pinctl report " + file + ".killed");
    INFO(cut.out << cut.err);
    CHECK(cut.status == 1);
    CHECK(cut.err.find("ends in the middle") != std::string::npos);
    CHECK(cut.out.find("0 pins with 0 B at the end, as the daemon had") != std::string::npos);
    eventually("there can be another one",
               [&] { return daemon.pinctl("record " + file + ".third --for 1s").status == 0; });
}
