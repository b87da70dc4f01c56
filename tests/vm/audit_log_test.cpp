// What is done is on record: by whom it was asked for, on whom it was done, and what became of it.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

using Records = std::vector<v1::AuditRecord>;

Records records_of(Api& api, const std::string& policy, const std::string& kind = "")
{
    Records records = api.audit_log(policy);
    std::erase_if(records, [&](const v1::AuditRecord& record) { return !kind.empty() && record.kind() != kind; });
    return records;
}

// The phases, in the order in which they were written.
std::vector<std::string> phases(const Records& records)
{
    std::vector<std::string> all;
    for (const v1::AuditRecord& record : records) {
        all.push_back(record.kind() + " " + record.phase());
    }
    return all;
}

bool is_this_process(const v1::AuditRequester& who)
{
    return who.uid() == getuid() && who.pid() == static_cast<std::uint32_t>(getpid());
}

PolicyText named(const std::string& name, const std::string& action = "")
{
    PolicyText policy;
    policy.name = name;
    policy.action = action;
    return policy;
}

std::vector<std::string> truncating(const std::string& path)
{
    return {"truncate", path, "16384"};
}

std::uint64_t only_hold(Api& api)
{
    std::uint64_t id = 0;
    eventually("an operation is held", [&] {
        const auto holds = api.holds();
        id = holds.size() == 1 ? holds.front().id() : 0;
        return id != 0;
    });
    return id;
}

}  // namespace

TEST_CASE("a change of policies is recorded before and after, with who asked for it", "[audit_log]")
{
    Daemon& daemon = Daemon::shared();
    const std::uint64_t before = daemon.api().status().policy_generation();
    daemon.api().apply(to_yaml(named("recorded")));
    Process pinctl({"pinctl", "--socket", daemon.socket(), "policy", "delete", "recorded"});
    REQUIRE(pinctl.wait() == 0);

    const Records records = records_of(daemon.api(), "recorded");
    REQUIRE(phases(records) ==
            std::vector<std::string>{"policy begin", "policy complete", "policy begin", "policy complete"});
    CHECK(records[0].action() == "apply");
    CHECK(is_this_process(records[0].asked_by()));
    REQUIRE(records[0].policies_size() == 1);
    CHECK(records[0].policies(0).mode_before().empty());
    CHECK(records[0].policies(0).mode() == "enforce");
    CHECK(records[0].generation_before() == before);
    CHECK(records[1].id() == records[0].id());
    CHECK(records[1].outcome() == "done");
    CHECK(records[1].generation() == before + 1);
    CHECK(records[2].action() == "delete");
    CHECK(records[2].asked_by().uid() == 0);
    CHECK(records[2].asked_by().pid() == static_cast<std::uint32_t>(pinctl.pid()));
    CHECK(records[3].generation() == before + 2);

    const std::string shown = daemon.pinctl("audit-log --policy recorded").out;
    CHECK(shown.find("apply recorded: none to enforce") != std::string::npos);
    CHECK(shown.find("asked by uid 0 pid " + std::to_string(pinctl.pid())) != std::string::npos);
    const std::string json = daemon.pinctl("--json audit-log --policy recorded").out;
    CHECK(json ==
          records[0].json() + "\n" + records[1].json() + "\n" + records[2].json() + "\n" + records[3].json() + "\n");
}

TEST_CASE("a denial is recorded with its file, its caller and its policy", "[audit_log]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const AppliedPolicy policy(daemon.api(), named("denies"));
    REQUIRE(try_truncate(file.path, 16384) == EBUSY);
    Records denials;
    eventually("the denial is recorded", [&] {
        denials = records_of(daemon.api(), "denies", "denial");
        return !denials.empty();
    });
    REQUIRE(denials.size() == 1);
    CHECK(denials[0].phase() == "done");
    CHECK(denials[0].operation() == "truncate");
    CHECK(denials[0].file() == file.path);
    CHECK(denials[0].error() == "EBUSY");
    CHECK(denials[0].caller().pid() == static_cast<std::uint32_t>(getpid()));
    CHECK(denials[0].pin_count() == 1);
    CHECK(denials[0].first_page() == 4);
    CHECK(daemon.pinctl("audit-log --last 1 --policy denies").out.find("denied EBUSY") != std::string::npos);
}

TEST_CASE("a policy that only monitors leaves no denials behind", "[audit_log]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    PolicyText text = named("monitors-only");
    text.mode = "monitor";
    const AppliedPolicy policy(daemon.api(), text);
    REQUIRE(try_truncate(file.path, 16384) == 0);
    CHECK(policy.status().would_have_denied() == 1);
    CHECK(phases(records_of(daemon.api(), "monitors-only")) ==
          std::vector<std::string>{"policy begin", "policy complete"});
}

TEST_CASE("a hold is recorded from its beginning to its end, and whoever decided about it", "[audit_log]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), named("holds", "hold: {timeout: 2m}"));
    Process follower({"pinctl", "--json", "--socket", daemon.socket(), "audit-log", "--follow", "--policy", "holds"});
    Caller caller(truncating(file.path));
    caller.expect_held();
    const std::string id = std::to_string(only_hold(daemon.api()));
    Process pinctl({"pinctl", "--socket", daemon.socket(), "holds", "release", id, "--allow"});
    REQUIRE(pinctl.wait() == 0);
    CHECK(caller.result() == "ok");

    Records records;
    eventually("the end is recorded", [&] {
        records = records_of(daemon.api(), "holds");
        return !records.empty() && records.back().kind() == "hold" && records.back().phase() == "complete";
    });
    REQUIRE(phases(records) == std::vector<std::string>{"policy begin", "policy complete", "hold begin",
                                                        "release begin", "release complete", "hold complete"});
    CHECK(records[2].hold() == std::stoull(id));
    CHECK(records[2].caller().pid() == static_cast<std::uint32_t>(caller.pid()));
    CHECK(records[2].file() == file.path);
    CHECK(records[3].action() == "allow");
    CHECK(records[3].hold() == std::stoull(id));
    CHECK(records[3].asked_by().pid() == static_cast<std::uint32_t>(pinctl.pid()));
    CHECK(records[4].outcome() == "done");
    CHECK(records[5].id() == records[2].id());
    CHECK(records[5].outcome() == "allowed");
    CHECK(records[5].error().empty());
    // Who follows sees the same, once.
    for (const v1::AuditRecord& record : records) {
        CHECK(follower.read_line() == record.json());
    }
}

TEST_CASE("a storm of denials does not fill the log, and none is forgotten", "[audit_log]")
{
    constexpr std::uint64_t kDenials = 400;
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), named("storm"));
    std::uint64_t before = 0;
    for (const v1::AuditRecord& record : daemon.api().audit_log()) {
        before += record.left_out();
    }
    for (std::uint64_t i = 0; i < kDenials; ++i) {
        REQUIRE(try_truncate(file.path, 16384) == EBUSY);
    }
    std::uint64_t written = 0;
    eventually("every denial is recorded or counted", [&] {
        written = records_of(daemon.api(), "storm", "denial").size();
        std::uint64_t left_out = 0;
        for (const v1::AuditRecord& record : daemon.api().audit_log()) {
            left_out += record.left_out();
        }
        return written + left_out - before == kDenials;
    });
    CHECK(written >= 1);
    CHECK(written < kDenials);
}

TEST_CASE("a full log is put aside, and without one nothing more is enforced but less can be", "[audit_log]")
{
    Daemon::stop_shared();
    const std::string disk = Machine::instance().folder("tmpfs") + "/disk";
    REQUIRE(shell("mkdir " + disk + " && mount -t tmpfs -o size=64k tmpfs " + disk).status == 0);
    const std::string log = disk + "/audit.log";
    const std::string from_file = disk + "/policy.yaml";
    std::ofstream(from_file) << to_yaml(named("from-file"));
    {
        Daemon daemon({"--audit-log", log, "--policy", from_file});
        const Records first = daemon.api().audit_log();
        REQUIRE(phases(first) == std::vector<std::string>{"policy begin", "policy complete"});
        CHECK_FALSE(first[0].has_asked_by());
        CHECK(first[0].policies(0).source() == from_file);

        // 16 MiB, of which the disk holds nothing.
        std::filesystem::resize_file(log, 16U << 20U);
        daemon.api().apply(to_yaml(named("after", "hold: {timeout: 2m}")));
        CHECK(std::filesystem::file_size(log) < 4096);
        CHECK(std::filesystem::file_size(log + ".1") == 16U << 20U);
        CHECK(phases(daemon.api().audit_log()).size() == 4);
        CHECK(daemon.pinctl("audit-log").out.find("1 line skipped") != std::string::npos);
        daemon.api().remove("from-file");

        PinnedFile file("ext4");
        Caller caller(truncating(file.path));
        caller.expect_held();
        const std::string id = std::to_string(only_hold(daemon.api()));
        REQUIRE(shell("dd if=/dev/zero of=" + disk + "/full bs=4k 2> /dev/null || true").status == 0);
        // What is left of the last block of the log is used up, too.
        REQUIRE(shell("truncate -s 4096 " + log).status == 0);
        const std::string refused = daemon.api().refuse(to_yaml(named("more")));
        CHECK(refused.find("must be on record first") != std::string::npos);
        CHECK(refused.find("No space left on device") != std::string::npos);
        const Outcome release = daemon.pinctl("holds release " + id + " --allow");
        CHECK(release.status == 1);
        CHECK(release.err.find("delete policy \"after\"") != std::string::npos);
        CHECK(caller.held());

        PolicyText less = named("less");
        less.mode = "monitor";
        daemon.api().apply(to_yaml(less));
        daemon.api().remove("after");
        CHECK(caller.result() == "ok");
        const auto status = daemon.api().status();
        CHECK(std::ranges::any_of(status.notices(), [](const std::string& notice) {
            return notice.find("not all that was done is in the audit log") != std::string::npos;
        }));
        REQUIRE(shell("rm " + disk + "/full").status == 0);
        daemon.api().apply(to_yaml(named("again")));
        CHECK(phases(records_of(daemon.api(), "again")) == std::vector<std::string>{"policy begin", "policy complete"});
        file.pinner.ok("release");
        daemon.stop();
    }
    CHECK(shell("umount " + disk).status == 0);
}
