// pinctl explain on files and processes that pin.
#include <catch2/catch.hpp>

#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("a file and its owner are explained: who pins what, and what would become of a truncate")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const std::string pid = std::to_string(file.pinner.pid());
    const AppliedPolicy policy(daemon.api(), {.name = "explained", .operations = "truncate, punch_hole"});
    CHECK(try_truncate(file.path, 0) == EBUSY);

    CHECK(shell("ln -s " + file.path + " " + file.path + ".link").status == 0);
    for (const std::string& name : {file.path, file.path + ".link"}) {
        const Outcome outcome = daemon.pinctl("explain " + name);
        INFO(outcome.out << outcome.err);
        CHECK(outcome.status == 0);
        CHECK(outcome.out.find(file.path + (name == file.path ? " is a file of the ext4 at " : ", which is a file")) !=
              std::string::npos);
        CHECK(outcome.out.find("There is 1 pin of 16.0 KiB by one process.") != std::string::npos);
        CHECK(outcome.out.find("pinner[" + pid + "], uid 0, pinned 16.0 KiB for ") != std::string::npos);
        CHECK(outcome.out.find("pages 4-7; long-term.") != std::string::npos);
        CHECK(outcome.out.find(
                  "A truncate to nothing now would meet 1 pin and be denied with EBUSY by policy explained") !=
              std::string::npos);
        CHECK(
            outcome.out.find("A hole punched where it is pinned first now would meet 1 pin and be denied with EBUSY") !=
            std::string::npos);
        CHECK(outcome.out.find("An umount of ") != std::string::npos);
        CHECK(outcome.out.find(": deny EBUSY, policy explained.") != std::string::npos);
    }
    const Outcome owner = daemon.pinctl("explain " + pid);
    INFO(owner.out << owner.err);
    CHECK(owner.out.find("Process " + pid + " is pinner.") != std::string::npos);
    CHECK(owner.out.find("It pins through rdma_rxe, on " + file.path + ".") != std::string::npos);
    CHECK(daemon.pinctl("explain 1").out.find("pinwardend never signals it: it is the machine's init.") !=
          std::string::npos);

    // In another mount namespace, where that path leads to nothing, the file is known by its number.
    const std::string inode = shell("pinctl --socket " + daemon.socket() + " explain --json " + file.path +
                                    " | jq -r '.file.identity | \"\\(.device_major):\\(.device_minor):\\(.inode)\"'")
                                  .out;
    const Outcome by_inode = daemon.pinctl("explain " + inode.substr(0, inode.size() - 1));
    INFO(by_inode.out << by_inode.err);
    CHECK(by_inode.out.find("be denied with EBUSY by policy explained") != std::string::npos);

    file.pinner.end();
    eventually("it is released", [&] { return daemon.api().pins().empty(); });
    const Outcome after = daemon.pinctl("explain " + file.path);
    INFO(after.out << after.err);
    CHECK(after.out.find("Nothing of it is pinned, as far as pinwardend knows.") != std::string::npos);
    CHECK(after.out.find("1 conflict is remembered") != std::string::npos);
    CHECK(daemon.pinctl("explain /no/such/file").status == 1);
    daemon.expect_nothing_pinned();
}
