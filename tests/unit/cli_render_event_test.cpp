#include "cli/render.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "cli/table.h"
#include "publish/convert.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

TEST_CASE("orphans: events")
{
    PinView pin = file_pin(1, 0, 256);
    pin.pin.owner_exited = true;
    pin.pin.orphaned = 5 * kSecond;
    const auto text = [](decltype(Notice::what) what, v1::EventKind kind) {
        const Notice notice{.time = 20 * kSecond, .boot_to_unix = 0, .what = std::move(what)};
        CHECK(event_kinds(notice) == std::vector{kind});
        return render_event(event_to_proto(notice, kind), kPlain);
    };
    CHECK_THAT(text(OrphanedNotice{pin}, v1::EVENT_KIND_ORPHAN),
               Catch::EndsWith("orphan    rdma-demo[812] rdma_rxe 1.0 MiB of /mnt/data/x pages 0-255, its owner has "
                               "exited\n"));
    CHECK_THAT(text(LeakNotice{pin}, v1::EVENT_KIND_LEAK), Catch::EndsWith("its owner exited 15s ago\n"));
    CHECK_THAT(text(ReleasedNotice{pin, 4096, true, ReleaseRule::kObject}, v1::EVENT_KIND_RELEASE),
               Catch::EndsWith("nothing left, 15s after its owner\n"));
}

TEST_CASE("events: one line each")
{
    const Utc utc;
    struct Row {
        Notice notice;
        v1::EventKind kind;
        std::string text;
    };
    PinView view = file_pin(1, 0, 256);
    const Nanoseconds unix_epoch = 1'700'000'000 * kSecond;
    const Notice released{.time = 11 * kSecond + 7'000'000,
                          .boot_to_unix = unix_epoch,
                          .what = ReleasedNotice{.pin = view, .bytes = kMiB, .fully = true}};
    Notice punched = conflict_notice(PW_VERDICT_ALLOW, "");
    OperationEvent& punch = std::get<ConflictNotice>(punched.what).conflict.conflict.operation;
    punch.operation = PW_OPERATION_PUNCH_HOLE;
    punch.offset = 4096;
    punch.length = 8192;
    Notice unmounted = conflict_notice(PW_VERDICT_ALLOW, "");
    Conflict& umount = std::get<ConflictNotice>(unmounted.what).conflict.conflict;
    umount.operation.operation = PW_OPERATION_UMOUNT;
    umount.path = "/mnt/data";
    umount.pin_files = {{kShownFile, "/mnt/data/x", "ext4"}};
    Notice held = conflict_notice(PW_VERDICT_HOLD, "keep");
    std::get<ConflictNotice>(held.what).conflict.hold = 7;
    const Row rows[] = {
        {punched, v1::EVENT_KIND_CONFLICT,
         "22:13:40.000  conflict  punch_hole of /mnt/data/x from byte 4096 on, 8.0 KiB by truncate[900] uid 0 meets "
         "1.0 "
         "MiB pinned by rdma-demo[812] through rdma_rxe\n"},
        {unmounted, v1::EVENT_KIND_CONFLICT,
         "22:13:40.000  conflict  umount of ext4 at /mnt/data by truncate[900] uid 0 meets 1.0 MiB pinned by "
         "rdma-demo[812] through rdma_rxe\n"},
        {pinned_notice(1), v1::EVENT_KIND_PIN,
         "22:13:30.000  pin       rdma-demo[812] rdma_rxe 4.0 KiB of /mnt/data/x pages 0-0\n"},
        {released, v1::EVENT_KIND_RELEASE,
         "22:13:31.007  release   rdma-demo[812] rdma_rxe 1.0 MiB of /mnt/data/x pages 0-255, nothing left\n"},
        {conflict_notice(PW_VERDICT_ALLOW, ""), v1::EVENT_KIND_CONFLICT,
         "22:13:40.000  conflict  truncate of /mnt/data/x from 1.0 MiB to 0 B by truncate[900] uid 0 meets 1.0 MiB "
         "pinned "
         "by rdma-demo[812] through rdma_rxe\n"},
        {invalidation_notice(), v1::EVENT_KIND_CONFLICT,
         "22:13:40.000  conflict  munmap of 0x7f0000000000-0x7f0000010000 by rdma-demo[812] uid 1000 meets 64.0 KiB "
         "pinned by rdma-demo[812] through rdma_rxe\n"},
        {conflict_notice(PW_VERDICT_DENY, "keep"), v1::EVENT_KIND_VERDICT,
         "22:13:40.000  verdict   deny EBUSY truncate of /mnt/data/x from 1.0 MiB to 0 B by truncate[900] uid 0, "
         "policy "
         "keep: 1 pin is in the way\n"},
        {conflict_notice(PW_VERDICT_WOULD_DENY, "keep"), v1::EVENT_KIND_VERDICT,
         "22:13:40.000  verdict   would deny EBUSY truncate of /mnt/data/x from 1.0 MiB to 0 B by truncate[900] uid 0, "
         "policy keep: 1 pin is in the way\n"},
        {held, v1::EVENT_KIND_VERDICT,
         "22:13:40.000  verdict   hold 7 truncate of /mnt/data/x from 1.0 MiB to 0 B by truncate[900] uid 0, policy "
         "keep: 1 pin is in the way\n"},
        {conflict_notice(PW_VERDICT_WOULD_HOLD, "keep"), v1::EVENT_KIND_VERDICT,
         "22:13:40.000  verdict   would hold truncate of /mnt/data/x from 1.0 MiB to 0 B by truncate[900] uid 0, "
         "policy keep: 1 pin is in the way\n"},
        {hold_ended_notice("pins_gone"), v1::EVENT_KIND_HOLD_END,
         "22:13:43.200  hold end  hold 7 of truncate of /mnt/data/x from 1.0 MiB to 0 B by truncate[900] uid 0 after "
         "3.2s, policy keep: the pins are gone, it goes on\n"},
    };
    for (const Row& row : rows) {
        CHECK(render_event(event_to_proto(row.notice, row.kind), kPlain) == row.text);
    }

    v1::WatchEventsResponse late = event_to_proto(pinned_notice(1), v1::EVENT_KIND_PIN);
    late.set_lost_before(3);
    CHECK_THAT(render_event(late, kPlain),
               Catch::StartsWith("3 events lost: this pinctl was too slow to take them\n22:13:30.000  pin"));
    CHECK_THAT(
        render_event(event_to_proto(conflict_notice(PW_VERDICT_DENY, "keep"), v1::EVENT_KIND_VERDICT), kColoured),
        Catch::Contains("\x1b[31mdeny EBUSY\x1b[0m"));
}

TEST_CASE("events: every end of a hold has its words")
{
    for (const std::string_view outcome : kHoldOutcomes) {
        const Notice ended = hold_ended_notice(std::string(outcome));
        const std::string text = render_event(event_to_proto(ended, v1::EVENT_KIND_HOLD_END), kPlain);
        INFO(outcome);
        CHECK_THAT(text, !Catch::Contains("keep: " + std::string(outcome) + "\n"));
    }
    const std::string newer =
        render_event(event_to_proto(hold_ended_notice("later\x1b"), v1::EVENT_KIND_HOLD_END), kPlain);
    CHECK_THAT(newer, Catch::EndsWith("keep: later\\x1b\n"));
}

TEST_CASE("events: whom a signal was sent to, or why not")
{
    const Utc utc;
    const auto line = [](const Notice& notice) {
        return render_event(event_to_proto(notice, v1::EVENT_KIND_SIGNAL), kPlain);
    };
    const std::string to = "to rdma-demo[812] uid 1000 for truncate of /mnt/data/x, policy keep: revoke.then[0]";
    CHECK(line(signal_notice(ActOutcome::kSent)) == "22:13:45.000  signal    SIGTERM sent " + to + "\n");
    CHECK(line(signal_notice(ActOutcome::kSent, "no space left")) ==
          "22:13:45.000  signal    SIGTERM sent " + to + ": no space left\n");
    CHECK(line(signal_notice(ActOutcome::kProtected, "it is this daemon")) ==
          "22:13:45.000  signal    SIGTERM not sent " + to + ": protected: it is this daemon\n");
    CHECK(line(signal_notice(ActOutcome::kLimited, "policy keep has sent as many signals as may be sent")) ==
          "22:13:45.000  signal    SIGTERM not sent " + to +
              ": limited: policy keep has sent as many signals as may be sent\n");
    CHECK(line(signal_notice(ActOutcome::kGone)) == "22:13:45.000  signal    SIGTERM not sent " + to + ": gone\n");

    Notice unknown = signal_notice(ActOutcome::kUnknownOwner, "it is not known which process it is");
    auto& notice = std::get<SignalNotice>(unknown.what);
    notice.report.victim.reset();
    notice.path.clear();
    CHECK(line(unknown) ==
          "22:13:45.000  signal    SIGTERM not sent to pid 812 for truncate of ?, policy keep: revoke.then[0]: unknown "
          "owner: it is not known which process it is\n");
    notice.report.act.process = {};
    CHECK_THAT(line(unknown), Catch::Contains("not sent to an owner nobody knows for truncate"));

    const auto coloured = [](ActOutcome outcome) {
        return render_event(event_to_proto(signal_notice(outcome), v1::EVENT_KIND_SIGNAL), kColoured);
    };
    CHECK_THAT(coloured(ActOutcome::kSent), Catch::Contains("\x1b[33msignal  \x1b[0m"));
    CHECK_THAT(coloured(ActOutcome::kLimited), Catch::Contains("\x1b[31msignal  \x1b[0m"));
    CHECK_THAT(coloured(ActOutcome::kFailed), Catch::Contains("\x1b[31msignal  \x1b[0m"));
}

TEST_CASE("events: what an owner said about a revocation stands beside what it did")
{
    Revocation::Victim victim = released_victim(812);
    victim.answer = Revocation::Answer{RevocationIntent::kCannot, 21 * kSecond};
    const auto event = event_to_proto(revocation_notice(RevocationEnd::kReleased, {victim}), v1::EVENT_KIND_REVOCATION);
    CHECK(event.revocation().victims(0).intent() == v1::REVOCATION_INTENT_CANNOT);
    CHECK(event.revocation().victims(0).intent_time().seconds() == 1'700'000'021);
    CHECK_THAT(render_event(event, kPlain),
               Catch::Contains("rdma-demo[812] uid 1000 (said that it cannot) 3.2s after"));
    victim.answer->intent = RevocationIntent::kLettingGo;
    CHECK_THAT(
        render_event(event_to_proto(revocation_notice(RevocationEnd::kReleased, {victim}), v1::EVENT_KIND_REVOCATION),
                     kPlain),
        Catch::Contains("(said that it is letting go)"));
}

TEST_CASE("events: who let go when a revocation ended, and who did not")
{
    const Utc utc;
    const auto line = [](RevocationEnd end, std::vector<Revocation::Victim> victims) {
        const std::string text =
            render_event(event_to_proto(revocation_notice(end, std::move(victims)), v1::EVENT_KIND_REVOCATION), kPlain);
        CHECK_THAT(text, Catch::StartsWith("22:13:50.000  revoked   ") && Catch::EndsWith("\n"));
        return text.substr(24, text.size() - 25);
    };
    const std::string cause = " let go for truncate of /mnt/data/x, policy keep";
    CHECK(line(RevocationEnd::kReleased, {released_victim(812), released_victim(813)}) ==
          "2 owners" + cause + ": rdma-demo[812] uid 1000 3.2s after SIGTERM, pid 813 3.2s after SIGTERM");

    Revocation::Victim alone = released_victim(812);
    alone.sent.clear();
    CHECK(line(RevocationEnd::kAnswered, {alone}) == "1 owner" + cause + ": rdma-demo[812] uid 1000 by itself");

    Revocation::Victim stays = released_victim(813);
    stays.released.reset();
    CHECK(line(RevocationEnd::kExhausted, {released_victim(812), stays}) ==
          "1 of 2 owners" + cause +
              ", all signals were sent: rdma-demo[812] uid 1000 3.2s after SIGTERM, pid 813 still pins after SIGUSR1, "
              "SIGTERM");
    stays.spared = ActOutcome::kGone;
    CHECK(line(RevocationEnd::kExhausted, {stays}) ==
          "0 of 1 owner" + cause +
              ", all signals were sent: pid 813 has ended, its pins are still there, after "
              "SIGUSR1, SIGTERM");

    Revocation::Victim spared = stays;
    spared.sent.clear();
    const std::pair<ActOutcome, const char*> reasons[] = {
        {ActOutcome::kProtected, "is protected"},
        {ActOutcome::kFailed, "could not be signalled"},
        {ActOutcome::kUnknownOwner, "could not be signalled"},
        {ActOutcome::kInferredOwner, "may be the wrong one and was not signalled"},
    };
    for (const auto& [outcome, words] : reasons) {
        spared.spared = outcome;
        CHECK(line(RevocationEnd::kSpared, {spared}) ==
              "0 of 1 owner" + cause + ", the rest must not or cannot be signalled: pid 813 " + words);
    }
    spared.spared.reset();
    CHECK(line(RevocationEnd::kLimited, {spared}) ==
          "0 of 1 owner" + cause +
              ", too many signals were sent lately and the policy only monitors now: pid 813 was "
              "not signalled");
    CHECK_THAT(
        line(RevocationEnd::kTooManyOwners, std::vector<Revocation::Victim>(12, spared)),
        Catch::StartsWith("0 of 12 owners" + cause + ", they are too many and none was signalled: pid 813 was ") &&
            Catch::EndsWith("pid 813 was not signalled and 4 more"));
    CHECK(line(RevocationEnd::kSpared, {}) ==
          "no owner is known for truncate of /mnt/data/x, policy keep, so none was signalled");

    v1::WatchEventsResponse newer =
        event_to_proto(revocation_notice(RevocationEnd::kSpared, {spared}), v1::EVENT_KIND_REVOCATION);
    newer.mutable_revocation()->set_end("later\x1b");
    newer.mutable_revocation()->mutable_victims(0)->set_spared("why\x1b");
    CHECK_THAT(render_event(newer, kPlain), Catch::Contains("policy keep, later\\x1b: pid 813 why\\x1b\n"));
}
