#include "act/revocation_preview.h"

#include <catch2/catch.hpp>
#include <csignal>

namespace pinwarden {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

RevocationOrder order(std::vector<SignalVictim> victims, std::optional<int> notify = SIGUSR1)
{
    return {
        .policy = "p",
        .generation = 1,
        .plan = plan_of(Revoke{.notify = notify, .grace = 5 * kSecond, .then = {{SIGTERM, 3 * kSecond}, {SIGKILL, 0}}}),
        .victims = std::move(victims),
        .operation = {},
        .asked_by = {}};
}

SignalVictim victim(std::uint32_t pid, bool inferred = false)
{
    return {.process = {pid, 7}, .inferred = inferred, .held = {.pins = {pid}, .bytes = 4096, .drivers = {"vfio"}}};
}

ActReport nothing_against(const Act& act)
{
    ActReport report;
    report.act = act;
    report.victim.emplace();
    report.victim->process = act.process;
    report.victim->comm = "x";
    return report;
}

std::vector<std::string> text(const PreviewedOwner& owner)
{
    std::vector<std::string> all;
    for (const PreviewedSignal& signal : owner.signals) {
        all.push_back(signal_name(signal.signal) + " after " + std::to_string(signal.after / kSecond) + " by " +
                      signal.rule);
    }
    return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("each owner is sent what the policy says, in order and as far apart", "[revocation_preview]")
{
    const auto preview = pinwarden::preview(order({victim(2), victim(1)}), 60 * kSecond, nothing_against);
    REQUIRE(preview.owners.size() == 2);
    CHECK_FALSE(preview.too_many);
    CHECK(preview.owners[0].who.process.pid == 1);
    for (const PreviewedOwner& owner : preview.owners) {
        CHECK(text(owner) == Texts{"SIGUSR1 after 0 by revoke.notify", "SIGTERM after 5 by revoke.then[0]",
                                   "SIGKILL after 8 by revoke.then[2]"});
        CHECK_FALSE(owner.spared);
        CHECK(owner.known->comm == "x");
    }
}

TEST_CASE("nothing is sent once the hold is over", "[revocation_preview]")
{
    const auto cut = preview(order({victim(1)}), 8 * kSecond, nothing_against);
    CHECK(text(cut.owners[0]) == Texts{"SIGUSR1 after 0 by revoke.notify", "SIGTERM after 5 by revoke.then[0]"});
    const auto unasked = preview(order({victim(1)}, std::nullopt), 8 * kSecond, nothing_against);
    CHECK(text(unasked.owners[0]) == Texts{"SIGTERM after 5 by revoke.then[0]"});
}

TEST_CASE("who must not be signalled is left alone, and it is said why", "[revocation_preview]")
{
    const auto preview = pinwarden::preview(order({victim(0), victim(1, true), victim(2), victim(3), victim(4)}),
                                            60 * kSecond, [](const Act& act) {
                                                ActReport report = nothing_against(act);
                                                if (act.process.pid == 2) {
                                                    report.outcome = ActOutcome::kProtected;
                                                    report.reason = "it is a kernel thread";
                                                } else if (act.process.pid == 3) {
                                                    report.outcome = ActOutcome::kGone;
                                                    report.reason = "it has ended";
                                                    report.victim.reset();
                                                }
                                                return report;
                                            });
    REQUIRE(preview.owners.size() == 5);
    CHECK(preview.owners[0].spared == ActOutcome::kUnknownOwner);
    CHECK(preview.owners[0].reason == "it is not known which process it is");
    CHECK(preview.owners[1].spared == ActOutcome::kInferredOwner);
    CHECK(preview.owners[2].spared == ActOutcome::kProtected);
    CHECK(preview.owners[2].reason == "it is a kernel thread");
    CHECK(preview.owners[3].spared == ActOutcome::kGone);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(preview.owners[i].signals.empty());
    }
    CHECK(preview.owners[4].signals.size() == 3);
}

TEST_CASE("of more than may be signalled none is", "[revocation_preview]")
{
    std::vector<SignalVictim> victims;
    for (std::uint32_t pid = 1; pid <= 9; ++pid) {
        victims.push_back(victim(pid));
    }
    const auto preview = pinwarden::preview(order(victims), 60 * kSecond, nothing_against);
    CHECK(preview.too_many);
    for (const PreviewedOwner& owner : preview.owners) {
        CHECK(owner.signals.empty());
        CHECK(owner.reason == "more than 8 processes would have to be signalled, so none is");
    }
    victims.pop_back();
    CHECK_FALSE(pinwarden::preview(order(victims), 60 * kSecond, nothing_against).too_many);
}

TEST_CASE("one that cannot be looked at is not tried for ever", "[revocation_preview]")
{
    const auto preview = pinwarden::preview(order({victim(1)}), 3600 * kSecond, [](const Act& act) {
        return ActReport{.act = act, .outcome = ActOutcome::kFailed, .reason = "no idea"};
    });
    CHECK(preview.owners[0].spared == ActOutcome::kFailed);
    CHECK(preview.owners[0].reason == "no idea");
}

}  // namespace pinwarden
