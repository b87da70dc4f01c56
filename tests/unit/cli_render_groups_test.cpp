#include <catch2/catch.hpp>

#include "cli/render.h"
#include "publish/pin_groups.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

const Style kPlain{};

v1::GroupPinsResponse grouped(v1::PinGrouping by)
{
    PinView leak = file_pin(2, 100, 1);
    leak.pin.owner.process.pid = 900;
    leak.pin.owner.comm = "evil\x1b[31m";
    leak.pin.owner_exited = leak.pin.leak = true;
    leak.pin.acquired = 129 * kSecond;
    leak.stack = {"pin_user_pages_fast+0x1f", "ib_umem_get+0x100 [ib_uverbs]"};
    v1::GroupPinsRequest request;
    request.set_by(by);
    return group_pins(request, source_of({file_pin(1, 0, 16), leak})).value();
}

}  // namespace

TEST_CASE("groups: a table, largest first, with how far to trust it")
{
    CHECK(render_groups(grouped(v1::PIN_GROUPING_OWNER), v1::PIN_GROUPING_OWNER, nullptr, kPlain) ==
          "68.0 KiB in 2 pins\n"
          "   BYTES  PINS  CALLS  OWNERS  OLDEST  ORPHANED          DRIVERS   OWNER\n"
          "64.0 KiB     1      1       1   2m00s  -                 rdma_rxe  rdma-demo[812]\n"
          " 4.0 KiB     1      1       1      1s  1 orphan, 1 leak  rdma_rxe  evil\\x1b[31m[900] (exited)\n"
          "Trust: certain; lost 0, ambiguous 0 pages, adopted 0 pins\n");
}

TEST_CASE("groups: call stacks, and what has changed since")
{
    const auto groups = grouped(v1::PIN_GROUPING_STACK);
    CHECK(render_groups(groups, v1::PIN_GROUPING_STACK, nullptr, kPlain) ==
          "68.0 KiB in 2 pins\n"
          "64.0 KiB in 16 pages, 1 call, by rdma_rxe for 1 process\n"
          "    oldest 2m00s; pins by age: 1m04s 1\n"
          "    pin_user_pages_fast+0x1f\n"
          "    ib_umem_get+0x2d2 [ib_uverbs]\n"
          "4.0 KiB in 1 page, 1 call, by rdma_rxe for 1 process, 1 orphan, 1 leak\n"
          "    oldest 1s; pins by age: 1s 1\n"
          "    pin_user_pages_fast+0x1f\n"
          "    ib_umem_get+0x100 [ib_uverbs]\n"
          "Trust: certain; lost 0, ambiguous 0 pages, adopted 0 pins\n");
    auto before = groups;
    before.mutable_groups(0)->set_calls(4);
    before.mutable_groups()->RemoveLast();
    const std::string changed = render_groups(groups, v1::PIN_GROUPING_STACK, &before, kPlain);
    CHECK_THAT(changed, Catch::Contains("1 call, 3 fewer, by") && Catch::Contains("1 call, 1 more, by"));
}

TEST_CASE("groups: what is left out, and what cannot be trusted, is said")
{
    v1::GroupPinsResponse groups;
    groups.set_more_groups(3);
    groups.set_ungrouped_pins(1);
    groups.mutable_trust()->set_lost(7);
    CHECK(render_groups(groups, v1::PIN_GROUPING_FILE, nullptr, kPlain) ==
          "0 B in 0 pins\n"
          "and 3 more groups\n"
          "1 pin in no group: there are too many groups; ask for fewer pins\n"
          "Trust: uncertain: pins may be missing or already gone; lost 7, ambiguous 0 pages, adopted 0 pins. See "
          "`pinctl status`.\n");
}

TEST_CASE("folded stacks: outermost first, the same functions in one line, pages at the end")
{
    CHECK(render_folded(grouped(v1::PIN_GROUPING_STACK)) == "ib_umem_get [ib_uverbs];pin_user_pages_fast 17\n");
    v1::GroupPinsResponse unknown;
    unknown.add_groups()->set_bytes(8192);
    unknown.add_groups()->add_stack("a;b\n+0x1/0x2 [m]");
    CHECK(render_folded(unknown) == "[unknown] 2\na:b\\x0a [m] 0\n");
    CHECK(render_folded({}).empty());
}
