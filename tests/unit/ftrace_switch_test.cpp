#include "kernel/ftrace_switch.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

TEST_CASE("the switch of function tracing is read anew each time", "[kernel]")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("ftrace_enabled");
    std::ofstream(path) << "1\n";
    const FtraceSwitch ftrace(path);
    CHECK(ftrace.on());
    CHECK(check_ftrace(ftrace));
    std::ofstream(path) << "0\n";
    CHECK_FALSE(ftrace.on());
    const auto refused = check_ftrace(ftrace);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("kernel.ftrace_enabled=1") != std::string::npos);
}

TEST_CASE("a kernel without that switch has tracing on", "[kernel]")
{
    CHECK(FtraceSwitch("/nowhere/ftrace_enabled").on());
}
