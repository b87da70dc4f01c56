// What rights a running daemon has, and its guardian.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/daemon.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Of each thread of the process, such a line of its status; the same ones once.
std::string in_threads(const std::string& pid, const std::string& line)
{
    return shell("cat /proc/" + pid + "/task/*/status | awk '$1 == \"" + line + ":\" {print $2}' | sort -u").out;
}

}  // namespace

TEST_CASE("a daemon that root starts keeps the rights it needs and no others, and so does its guardian")
{
    const Daemon& daemon = Daemon::shared();
    const std::string own = std::to_string(daemon.pid());
    // CAP_BPF, CAP_PERFMON, CAP_SYSLOG, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_KILL, CAP_DAC_READ_SEARCH
    const std::string rights = "000000c400280024\n";
    const std::string guardian = shell("pgrep -x pinwarden-guard -P " + own).out;
    REQUIRE_FALSE(guardian.empty());
    for (const std::string set : {"CapEff", "CapPrm", "CapBnd"}) {
        INFO(set);
        CHECK(in_threads(own, set) == rights);
    }
    CHECK(in_threads(own, "CapInh") == "0000000000000000\n");
    // CAP_SYS_PTRACE, CAP_KILL
    CHECK(in_threads(guardian.substr(0, guardian.find('\n')), "CapEff") == "0000000000080020\n");
    for (const std::string& process : std::vector<std::string>{own, guardian.substr(0, guardian.find('\n'))}) {
        CHECK(in_threads(process, "NoNewPrivs") == "1\n");
        CHECK(in_threads(process, "Seccomp") == "2\n");
    }
}
