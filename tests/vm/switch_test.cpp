// kernel.ftrace_enabled: the switch with which no hook runs any more, and nothing says so.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <string>

#include "support/daemon.h"
#include "support/health_call.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Function tracing, off while the object lives.
class SwitchedOff {
public:
    SwitchedOff() { set("0"); }
    SwitchedOff(const SwitchedOff&) = delete;
    SwitchedOff& operator=(const SwitchedOff&) = delete;
    ~SwitchedOff() { shell("sysctl -q kernel.ftrace_enabled=1"); }

    static void set(const std::string& value)
    {
        REQUIRE(shell("sysctl -q kernel.ftrace_enabled=" + value).status == 0);
    }
};

// Newer kernels refuse: "The ftrace_enabled file is deprecated and no longer disables ftrace".
bool kernel_allows_it()
{
    const Outcome off = shell("sysctl -q kernel.ftrace_enabled=0");
    if (off.status != 0) {
        CHECK(off.err.find("Operation not supported") != std::string::npos);
        return false;
    }
    SwitchedOff::set("1");
    return true;
}

v1::Hook hook_of(Daemon& daemon, const std::string& name)
{
    const v1::GetStatusResponse status = daemon.api().status();
    const auto hook = std::ranges::find(status.hooks(), name, &v1::Hook::name);
    REQUIRE(hook != status.hooks().end());
    return *hook;
}

}  // namespace

TEST_CASE("while function tracing is off all say so, and what was pinned meanwhile is found and enforced afterwards")
{
    if (!kernel_allows_it()) {
        WARN("this kernel does not let function tracing be switched off");
        return;
    }
    Daemon& daemon = Daemon::shared();
    const std::string path = Machine::instance().folder("tmpfs") + "/blind";
    const AppliedPolicy policy(daemon.api());
    Pinner pinner;
    pinner.ok("file " + path + " 65536");
    {
        const SwitchedOff off;
        eventually("it is noticed", [&] { return !hook_of(daemon, "pin_user_pages_fast").attached(); });
        CHECK(hook_of(daemon, "pin_user_pages_fast").reason().find("kernel.ftrace_enabled") != std::string::npos);
        CHECK_FALSE(daemon.api().status().ledger_certain());
        eventually("the health says so", [&] { return health_of(daemon.socket(), "") == Serving::kNotServing; });
        CHECK(health_of(daemon.socket(), "pinwarden.v1.PolicyService") == Serving::kNotServing);
        CHECK(health_of(daemon.socket(), "pinwarden.v1.StatusService") == Serving::kServing);
        CHECK(Daemon::metrics().sum("pinwarden_ledger_certain") == 0);
        CHECK(Daemon::metrics().sum("pinwarden_hooks", {{"purpose", "acquire"}, {"state", "attached"}}) == 0);
        pinner.ok("pin uring 0 65536");
        CHECK(daemon.api().pins().empty());
        const Outcome refused = shell("pinwardend --probe");
        CHECK(refused.status == 1);
        CHECK(refused.err.find("kernel.ftrace_enabled=1") != std::string::npos);
    }
    eventually("the ledger is certain again", [&] { return daemon.api().status().ledger_certain(); });
    CHECK(hook_of(daemon, "pin_user_pages_fast").attached());
    eventually("it serves again", [&] { return health_of(daemon.socket(), "") == Serving::kServing; });
    CHECK(daemon.api().pins().size() == 1);
    CHECK(try_truncate(path, 0) == EBUSY);
    pinner.end();
    eventually("the pin is gone", [&] { return daemon.api().pins().empty(); });
    CHECK(try_truncate(path, 0) == 0);
}
