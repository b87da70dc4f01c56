#include <catch2/catch.hpp>

#include "cli/text.h"
#include "cli/top_model.h"
#include "publish/conflict_service.h"
#include "publish/pin_groups.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

v1::GroupPinsResponse owners(const std::vector<PinView>& pins)
{
    v1::GroupPinsRequest request;
    request.set_by(v1::PIN_GROUPING_OWNER);
    return group_pins(request, source_of(pins)).value();
}

PinView pin_of(PinId id, std::uint32_t pid, std::uint64_t pages)
{
    PinView pin = file_pin(id, 1000 * id, pages);
    pin.pin.owner.process.pid = pid;
    pin.pin.owner.comm = "p" + std::to_string(pid);
    pin.pin.acquired += pid * kSecond;
    return pin;
}

std::vector<std::uint32_t> pids(const TopModel& model, TopSort sort)
{
    std::vector<std::uint32_t> all;
    for (const TopRow& row : model.rows(sort)) {
        all.push_back(row.group.owner().pid());
    }
    return all;
}

v1::ListConflictsResponse met(std::uint32_t pid)
{
    v1::ListConflictsResponse conflicts;
    for (int i = 0; i < 2; ++i) {
        v1::PastConflict& conflict = *conflicts.add_conflicts();
        // Through two drivers it is one conflict still.
        conflict.add_owners()->mutable_process()->set_pid(pid);
        conflict.add_owners()->mutable_process()->set_pid(pid);
    }
    return conflicts;
}

}  // namespace

TEST_CASE("top: who holds most, and what has changed since")
{
    TopModel model;
    model.take(owners({pin_of(1, 7, 256), pin_of(2, 8, 512), pin_of(3, 8, 1)}), {}, 100);
    CHECK(model.screen(TopSort::kBytes, {.columns = 80}, "14:03:07").head[0] ==
          "pinwarden 14:03:07  3.0 MiB in 3 pins of 2 processes");
    CHECK(model.screen(TopSort::kBytes, {.columns = 80}, "14:03:07").rows[0] ==
          "  8  2.0 MiB     -     2   1m52s          -         rdma_rxe  p8");

    PinView leak = pin_of(4, 9, 1);
    leak.pin.owner_exited = leak.pin.leak = true;
    model.take(owners({pin_of(1, 7, 512), pin_of(2, 8, 512), leak}), met(9), 102);
    const TopScreen screen = model.screen(TopSort::kRate, {.columns = 80}, "14:03:09");
    CHECK(screen.head[1] == "Ledger certain");
    CHECK(screen.head[2] == "PID    BYTES         *RATE  PINS  OLDEST  CONFLICTS  STATE  DRIVER    COMM");
    CHECK(screen.rows == std::vector<std::string>{
                             "  7  2.0 MiB  +512.0 KiB/s     1   1m53s          -         rdma_rxe  p7",
                             "  8  2.0 MiB    -2.0 KiB/s     1   1m52s          -         rdma_rxe  p8",
                             "  9  4.0 KiB    +2.0 KiB/s     1   1m51s          2  leak   rdma_rxe  p9",
                         });
}

TEST_CASE("top: each column can be sorted by")
{
    TopModel model;
    model.take(owners({pin_of(1, 7, 4), pin_of(2, 8, 1), pin_of(3, 8, 1), pin_of(4, 9, 1)}), met(9), 1);
    CHECK(pids(model, TopSort::kBytes) == std::vector<std::uint32_t>{7, 8, 9});
    CHECK(pids(model, TopSort::kPins) == std::vector<std::uint32_t>{8, 7, 9});
    CHECK(pids(model, TopSort::kAge) == std::vector<std::uint32_t>{7, 8, 9});
    CHECK(pids(model, TopSort::kConflicts) == std::vector<std::uint32_t>{9, 7, 8});
    CHECK(pids(model, TopSort::kRate) == std::vector<std::uint32_t>{7, 8, 9});
}

TEST_CASE("top: lines fit the screen, whatever processes are called")
{
    PinView evil = pin_of(1, 7, 1);
    evil.pin.owner.comm = "\xc3\xa4\xc3\xa4\x1b[2J";
    TopModel model;
    v1::GroupPinsResponse answer = owners({evil});
    answer.mutable_trust()->set_ledger_certain(false);
    answer.set_more_groups(5);
    model.take(answer, {}, 1);
    const TopScreen wide = model.screen(TopSort::kBytes, {.columns = 200}, "1");
    CHECK_THAT(wide.rows[0], Catch::Contains("\xc3\xa4\xc3\xa4\\x1b[2J"));
    CHECK(wide.head[1] == "LEDGER UNCERTAIN, see `pinctl status`; 5 processes not shown");
    for (const std::size_t width : {1U, 20U, 63U, 64U, 80U}) {
        const TopScreen screen = model.screen(TopSort::kBytes, {.columns = width}, "1");
        for (const std::string& line : screen.head) {
            CHECK(pinwarden::cli::width(line) <= width);
        }
        CHECK(pinwarden::cli::width(screen.rows[0]) <= width);
    }
}

TEST_CASE("top: nothing is pinned")
{
    TopModel model;
    model.take(owners({}), {}, 1);
    CHECK(model.screen(TopSort::kBytes, {.columns = 80}, "1").rows.empty());
}
