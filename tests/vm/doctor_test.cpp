// pinctl doctor on a real kernel, with a daemon and without.
#include <catch2/catch.hpp>

#include <string>

#include "support/daemon.h"
#include "support/machine.h"

using namespace pinwarden::test;

TEST_CASE("the doctor finds nothing bad about a daemon that is well, and says what ftrace switched off means")
{
    Daemon& daemon = Daemon::shared();
    const Outcome well = daemon.pinctl("doctor");
    INFO(well.out << well.err);
    CHECK(well.status == 0);
    CHECK(well.out.find("bad   ") == std::string::npos);
    CHECK(well.out.find("pinwardend has all it uses") != std::string::npos);
    CHECK(well.out.find(" attached\n") != std::string::npos);
    // Each hook is there, and none has failed.
    const auto states = [&](const std::string& filter) {
        return shell("pinctl --socket " + daemon.socket() +
                     " doctor --json | jq -r '[.findings[] | select(.subject | "
                     "startswith(\"hook \"))" +
                     filter + "] | length > 10'")
            .out;
    };
    CHECK(states("") == "true\n");
    CHECK(states(" | select(.state | startswith(\"failed\"))") == "false\n");

    // Newer kernels refuse this.
    if (shell("sysctl -q kernel.ftrace_enabled=0").status == 0) {
        const Outcome off = daemon.pinctl("doctor");
        CHECK(shell("sysctl -q kernel.ftrace_enabled=1").status == 0);
        INFO(off.out << off.err);
        CHECK(off.status == 1);
        CHECK(off.out.find("bad   ftrace") != std::string::npos);
        CHECK(off.out.find("sysctl kernel.ftrace_enabled=1") != std::string::npos);
        eventually("the ledger is mended", [&] { return daemon.api().status().ledger_certain(); });
        // It counts that as a loss, which the tests that come after are to find none of.
        Daemon::stop_shared();
    }
}

TEST_CASE("the doctor looks at the machine where no daemon runs")
{
    const Outcome none = shell("pinctl --socket /run/none doctor");
    INFO(none.out << none.err);
    CHECK(none.status == 1);
    CHECK(none.err.empty());
    CHECK(none.out.find("bad   daemon") != std::string::npos);
    CHECK(none.out.find("ok    btf") != std::string::npos);
    CHECK(none.out.find("who started this could start pinwardend") != std::string::npos);
    CHECK(none.out.find("1 bad\n") != std::string::npos);
}
