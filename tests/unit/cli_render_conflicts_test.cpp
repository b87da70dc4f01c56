#include <catch2/catch.hpp>
#include <string>

#include "cli/render_conflicts.h"
#include "publish/conflict_service.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

PastConflict past(Notice notice)
{
    PastConflict past{.time = notice.time};
    if (auto* met = std::get_if<ConflictNotice>(&notice.what)) {
        remember_owners(met->conflict.conflict.pins, past);
        met->conflict.conflict.pins.clear();
        met->conflict.hold = met->conflict.conflict.operation.hold;
        past.what = std::move(met->conflict);
    } else {
        InvalidationView view = std::get<InvalidationNotice>(std::move(notice.what)).invalidation;
        remember_owners({view.pins.front().pin}, past);
        past.bytes = view.bytes;
        view.pins.clear();
        past.what = std::move(view);
    }
    return past;
}

v1::ListConflictsResponse listed(const ConflictHistory& history, const ConflictWish& wish = {})
{
    return conflicts_to_proto(history.list(wish), 80 * kSecond, 1'700'000'000 * kSecond);
}

}  // namespace

TEST_CASE("the last conflicts are a table, the newest first")
{
    ConflictHistory history(4);
    history.add(past(conflict_notice(PW_VERDICT_ALLOW, "")));
    history.add(past(conflict_notice(PW_VERDICT_ALLOW, "")));
    history.add(past(conflict_notice(PW_VERDICT_DENY, "keep")));
    Notice held = conflict_notice(PW_VERDICT_HOLD, "keep");
    std::get<ConflictNotice>(held.what).conflict.conflict.operation.hold = 7;
    history.add(past(std::move(held)));
    history.hold_ended(7, {.outcome = "pins_gone", .held = 3 * kSecond + 200'000'000});
    history.add(past(invalidation_notice()));

    CHECK(render_conflicts(listed(history), kPlain) ==
          "  AGE  VERDICT                     OPERATION        CALLER          PINS                                 "
          "POLICY  FILE OR ADDRESSES\n"
          "1m00s  allow                       munmap           rdma-demo[812]  64.0 KiB of rdma-demo[812] rdma_rxe  "
          "-       0x7f0000000000-0x7f0000010000\n"
          "1m00s  hold, pins_gone after 3.2s  truncate to 0 B  truncate[900]   1.0 MiB of rdma-demo[812] rdma_rxe   "
          "keep    /mnt/data/x\n"
          "1m00s  deny EBUSY                  truncate to 0 B  truncate[900]   1.0 MiB of rdma-demo[812] rdma_rxe   "
          "keep    /mnt/data/x\n"
          "1m00s  allow                       truncate to 0 B  truncate[900]   1.0 MiB of rdma-demo[812] rdma_rxe   "
          "-       /mnt/data/x\n"
          "1 older one fell out of memory, of whatever kind; `pinctl audit-log` goes further back.\n");
    const std::string coloured = render_conflicts(listed(history, {.limit = 1, .verdicts = {"deny"}}), kColoured);
    CHECK_THAT(coloured, Catch::Contains("1m00s  \x1b[31mdeny EBUSY\x1b[0m  truncate to 0 B"));
    CHECK_THAT(render_conflicts(listed(history, {.limit = 1, .policy = "keep"}), kPlain),
               Catch::Contains("\n1 older one not shown, see --last.\n"));
}

TEST_CASE("nothing that is remembered, and nothing that matches, is said so")
{
    ConflictHistory history;
    CHECK(render_conflicts(listed(history), kPlain) == "No conflict since pinwardend started.\n");
    history.add(past(conflict_notice(PW_VERDICT_ALLOW, "")));
    CHECK(render_conflicts(listed(history, {.policy = "other"}), kPlain) == "None of the 1 that are remembered.\n");
}

TEST_CASE("names of others do not reach the terminal as they are")
{
    ConflictHistory history;
    Notice notice = conflict_notice(PW_VERDICT_ALLOW, "");
    std::get<ConflictNotice>(notice.what).conflict.conflict.path = "/mnt/\x1b[2J";
    history.add(past(std::move(notice)));
    const std::string text = render_conflicts(listed(history), kPlain);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK_THAT(text, Catch::Contains("/mnt/\\x1b[2J"));
}
