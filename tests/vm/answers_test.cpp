// What a daemon answers about pins that it missed, and what it has on record: as JSON, from which the unit tests'
// golden files of `pinctl audit`, `census` and `audit-log` are made.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// For tests/data: see its README.
void keep(const std::string& name, const std::string& answer)
{
    if (const char* folder = std::getenv("PINWARDEN_KEEP_ANSWERS")) {  // NOLINT(concurrency-mt-unsafe): one thread
        std::ofstream file(std::string(folder) + "/" + name);
        file << answer;
        CHECK(file.flush().good());
    }
}

std::string number_in(const std::string& json, const std::string& path)
{
    const TemporaryFolder folder;
    const std::string file = folder.file("answer");
    std::ofstream(file) << json;
    const Outcome found = shell("jq -r '" + path + "' " + file);
    INFO(found.err);
    CHECK(found.status == 0);
    return found.out.substr(0, found.out.find('\n'));
}

}  // namespace

TEST_CASE("audit, census and audit log are the same as JSON and as text", "[answers]")
{
    Daemon::stop_shared();
    Pinner older;
    older.ok("anon 65536");
    older.ok("fill mapping 41");
    older.ok("pin uring");

    Daemon daemon({"--no-census"});
    PinnedFile known("tmpfs");
    const Outcome audit = daemon.pinctl("audit --json");
    CHECK(audit.status == 3);
    CHECK(number_in(audit.out, ".missing_pins") == "16");
    CHECK(number_in(audit.out, "[.differences[].pages | tonumber] | add") == "16");
    keep("audit.json", audit.out);
    eventually("the ledger is mended", [&] { return daemon.pinctl("audit").status == 0; });
    const Outcome census = daemon.pinctl("census --json");
    CHECK(census.status == 0);
    CHECK(number_in(census.out, ".total.pins") == "20");
    CHECK(daemon.pinctl("census").out.find("Total: 20 pins on") != std::string::npos);
    keep("census.json", census.out);

    {
        const AppliedPolicy denies(daemon.api(), {.name = "denies"});
        CHECK(try_truncate(known.path, 16384) == EBUSY);
    }
    const AppliedPolicy holds(daemon.api(), {.name = "holds", .action = "hold: {timeout: 2m}"});
    Caller caller({"truncate", known.path, "16384"});
    caller.expect_held();
    eventually("it is held", [&] { return daemon.api().holds().size() == 1; });
    CHECK(daemon.pinctl("holds release 1 --allow").status == 0);
    CHECK(caller.result() == "ok");
    eventually("its end is on record", [&] {
        return daemon.pinctl("audit-log --policy holds").out.find(": allowed after") != std::string::npos;
    });
    const std::string log = daemon.pinctl("audit-log --json").out;
    CHECK(log.find("\"denies\"") != std::string::npos);
    keep("audit-log.jsonl", log);

    older.end();
    known.pinner.end();
    eventually("all is released", [&] { return daemon.api().pins().empty(); });
    daemon.stop();
}
