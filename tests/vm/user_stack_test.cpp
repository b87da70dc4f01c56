// What of a program asked for its pins.
#include <catch2/catch.hpp>
#include <csignal>
#include <string>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"
#include "support/process.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

v1::ListPinsRequest with_stacks(pid_t pid)
{
    v1::ListPinsRequest request;
    request.mutable_filter()->add_pids(static_cast<std::uint32_t>(pid));
    request.set_include_stack(true);
    return request;
}

}  // namespace

TEST_CASE("nothing of a program is recorded unless it is asked for")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("anon 65536");
    pinner.ok("pin uring");
    const auto pins = daemon.api().list_pins(with_stacks(pinner.pid()));
    REQUIRE(pins.pins_size() == 1);
    CHECK(pins.pins(0).stack_size() > 0);
    CHECK(pins.pins(0).user_stack_size() == 0);
}

TEST_CASE("a leak is shown with what of its program pinned it, by name, when the process is gone as well")
{
    Daemon::stop_shared();
    Daemon daemon({"--user-stacks"});
    Pinner same_program;
    Pinner pinner;
    pinner.ok("memfd inherited 65536");
    // Of the libraries here, the one for io_uring alone leaves the frame pointer as it was.
    pinner.ok("pin uring");
    const std::string only_it = "leaks --user-stack -p " + std::to_string(pinner.pid());

    const auto pins = daemon.api().list_pins(with_stacks(pinner.pid()));
    REQUIRE(pins.pins_size() == 1);
    REQUIRE(pins.pins(0).user_stack_size() > 1);
    const v1::UserFrame& innermost = pins.pins(0).user_stack(0);
    CHECK(innermost.build_id().size() == 40);
    CHECK(innermost.address() == 0);
    CHECK(innermost.name().empty());
    const Outcome alive = daemon.pinctl(only_it);
    CHECK_THAT(alive.out, Catch::Contains(" [liburing.so."));
    CHECK_THAT(alive.out, Catch::Contains("    main+0x") && Catch::Contains(" [pinner]\n"));

    const pid_t heir = std::stoi(pinner.ok("heir"));
    pinner.kill();
    const Outcome gone = daemon.pinctl(only_it);
    CHECK_THAT(gone.out, Catch::Contains("1 orphan"));
    CHECK_THAT(gone.out, Catch::Contains("    main+0x") && Catch::Contains(" [pinner]\n"));
    const Outcome folded = daemon.pinctl(only_it + " --folded");
    CHECK_THAT(folded.out, Catch::Contains("main [pinner];") && Catch::Contains("io_sqe_buffer"));
    same_program.ok("pid");
    ::kill(heir, SIGKILL);
    eventually("the heir lets go", [&] { return daemon.api().pins().empty(); });
}
