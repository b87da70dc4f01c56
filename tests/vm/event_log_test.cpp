// What a conflict leaves for whoever ships logs, and what the status page shows of it to whom.
#include <catch2/catch.hpp>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/temporary_folder.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// As that user, from a process of its own.
std::string page_as(const std::string& user)
{
    const Outcome page = shell("setpriv --reuid " + user + " --clear-groups curl -fsS http://127.0.0.1:9877/page.json");
    INFO(page.err);
    REQUIRE(page.status == 0);
    return page.out;
}

}  // namespace

TEST_CASE("a denied truncate is a line in the event log, and on the page with names for who may see them")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::string log = folder.file("events.json");
    Daemon daemon({"--event-log", log});
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api());
    REQUIRE(try_truncate(file.path, 0) == EBUSY);
    eventually("the line is written", [&] { return content_of(log).ends_with("}\n"); });
    const std::string line = content_of(log);
    for (const std::string part : {R"("dataset":"pinwarden.conflict")", R"("action":"truncate")",
                                   R"("outcome":"failure")", R"("verdict":"deny","mode":"enforce","errno":"EBUSY")",
                                   R"("rule":{"name":"test")", R"("driver":"rdma_rxe")"}) {
        INFO(part);
        CHECK(line.find(part) != std::string::npos);
    }
    CHECK(line.find("\"path\":\"" + file.path + "\"") != std::string::npos);

    const std::string for_root = page_as("0");
    CHECK(for_root.find(file.path) != std::string::npos);
    CHECK(for_root.find("pinner") != std::string::npos);
    const std::string for_nobody = page_as("65534");
    CHECK(for_nobody.find(R"("details":false)") != std::string::npos);
    CHECK(for_nobody.find(R"("verdict":"deny")") != std::string::npos);
    CHECK(for_nobody.find(file.path) == std::string::npos);
    CHECK(for_nobody.find("pinner") == std::string::npos);
}
