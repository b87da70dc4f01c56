// What is remembered of conflicts that nobody watched.
#include <catch2/catch.hpp>

#include <cerrno>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE(
    "a conflict that nobody watched is remembered with its verdict, and found by file, verdict, policy and process")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    CHECK(try_truncate(file.path, PinnedFile::kSize - 4096) == 0);
    {
        const AppliedPolicy policy(daemon.api(), {.name = "remembered"});
        CHECK(try_truncate(file.path, 0) == EBUSY);
    }
    const std::string mine = "conflicts --json --file " + file.path;
    eventually("the denial is remembered", [&] {
        return shell("pinctl --socket " + daemon.socket() + " " + mine + " --policy remembered | jq -r '.matched'")
                   .out == "1\n";
    });
    const auto asked = [&](const std::string& options, const std::string& filter) {
        return shell("pinctl --socket " + daemon.socket() + " " + mine + " " + options + " | jq -r '" + filter + "'")
            .out;
    };
    CHECK(asked("--verdict deny", ".conflicts[] | .conflict.verdict + \" \" + .conflict.error") == "deny EBUSY\n");
    CHECK(asked("--verdict deny", ".conflicts[0].conflict.pins | length") == "0\n");
    CHECK(asked("--verdict deny", ".conflicts[0].owners[0] | .process.comm + \" \" + .driver") == "pinner rdma_rxe\n");
    CHECK(asked("--policy remembered --pid " + std::to_string(file.pinner.pid()), ".matched") == "1\n");
    CHECK(asked("--policy remembered --pid 1", ".matched") == "0\n");
    const std::string table = daemon.pinctl("conflicts --last 1 --file " + file.path).out;
    INFO(table);
    CHECK(table.find("deny EBUSY") != std::string::npos);
    CHECK(table.find("16.0 KiB of pinner[") != std::string::npos);
    file.pinner.end();
    daemon.expect_nothing_pinned();
}
