// Who may do what over which socket.
#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"

using namespace pinwarden::test;

namespace {

constexpr const char* kFolder = "/run/pinwarden";

std::string as(const std::string& group, const std::string& command)
{
    return "setpriv --reuid 1234 --regid " + group + " --clear-groups --bounding-set -all --inh-caps -all " + command;
}

}  // namespace

TEST_CASE("readers look, operators change, strangers get neither, and who did it is on record")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::string audit_log = folder.file("audit.log");
    const std::string policy = folder.file("policy.yaml");
    std::ofstream(policy) << "name: keep\nmode: enforce\nmatch: {operations: [truncate], file: {path_prefixes: "
                             "[/mnt]}}\naction: {deny: {errno: EBUSY}}\n";
    std::filesystem::permissions(std::filesystem::path(policy).parent_path(), std::filesystem::perms{0755});
    Process daemon({"pinwardend", "--operator-group", "operator", "--reader-group", "users", "--audit-log", audit_log,
                    "--no-state", "--no-census"},
                   folder.file("messages"));
    eventually(
        "the daemon is ready",
        [&] { return content_of(folder.file("messages")).find("pinwardend ready") != std::string::npos; }, kStart);
    CHECK(shell("stat -c '%a %U %G' /run/pinwarden/operator.sock").out == "660 root operator\n");
    CHECK(shell("stat -c '%a %U %G' /run/pinwarden/reader.sock").out == "660 root users\n");

    const std::string reader = "--socket /run/pinwarden/reader.sock ";

    // Without being told which socket.
    CHECK(shell(as("users", "pinctl status")).status == 0);
    CHECK(shell(as("users", "pinctl policy list")).status == 0);
    for (const std::string& command : {"policy apply " + policy, std::string("policy delete keep"),
                                       std::string("audit"), std::string("audit-log")}) {
        INFO(command);
        const Outcome refused = shell(as("users", "pinctl " + command));
        CHECK(refused.status == 1);
        CHECK(refused.err.find("for operators") != std::string::npos);
        CHECK(refused.err.find("/run/pinwarden/operator.sock") != std::string::npos);
    }
    CHECK(shell(as("users", "pinctl --socket /run/pinwarden/operator.sock status")).status == 1);
    // It is the socket that says what may be done, not who opened it.
    CHECK(shell("pinctl " + reader + "pins").status == 0);
    CHECK(shell("pinctl " + reader + "policy apply " + policy).status == 1);

    for (const std::string& socket : {std::string(), reader}) {
        const Outcome refused = shell(as("4321", "pinctl " + socket + "status"));
        CHECK(refused.status == 1);
        CHECK(refused.err.find("permission denied") != std::string::npos);
        CHECK(refused.err.find("pinwarden-admin") != std::string::npos);
    }
    CHECK(shell("pinctl policy list --json | jq '.policies | length'").out == "0\n");

    CHECK(shell(as("operator", "pinctl policy apply " + policy)).status == 0);
    CHECK(shell("pinctl --json policy list | jq -r '.policies[].policy.name'").out == "keep\n");
    const std::string record = content_of(audit_log);
    INFO(record);
    CHECK(record.find("keep") != std::string::npos);
    CHECK(record.find("1234") != std::string::npos);

    daemon.signal(SIGTERM);
    CHECK(daemon.wait() == 0);
    CHECK(std::filesystem::is_empty(kFolder));
}

TEST_CASE("a group that is not there, or one socket for both, is refused at once")
{
    const Outcome group = shell("pinwardend --reader-group no-such-group");
    CHECK(group.status == 2);
    CHECK(group.err.find("no-such-group") != std::string::npos);
    const Outcome twice = shell("pinwardend --socket /tmp/x --reader-socket /tmp/x");
    CHECK(twice.status == 2);
    CHECK(twice.err.find("--no-reader-socket") != std::string::npos);
}
