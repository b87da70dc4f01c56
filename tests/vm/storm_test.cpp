// A storm of conflicting truncates: what is denied stays denied, what is held is bounded, signals are limited, each
// operation is counted exactly once, and the daemon answers.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>
#include <map>
#include <sstream>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t kHolds = 1024;           // as many as the kernel's side keeps
constexpr std::uint64_t kWaiting = kHolds + 76;  // that want to be held
constexpr int kSeconds = 30;
constexpr std::chrono::seconds kSlow{300};

// The program `storm` (see tests/vm/storm/main.cpp).
class Storm {
public:
    Storm(const std::string& path, std::uint64_t processes, int seconds, std::uint64_t count)
        : process_({"storm", path, "16384", std::to_string(processes), std::to_string(seconds), std::to_string(count)})
    {
        if (process_.read_line(kSlow) != "ready") {
            throw std::runtime_error("storm did not start");
        }
    }

    void begin() { process_.write_line("begin"); }
    [[nodiscard]] bool under_way() { return process_.running(); }
    // What the calls came to, once all have ended.
    std::map<std::string, std::uint64_t> result()
    {
        const std::string line = process_.read_line(kSlow);
        std::istringstream words(line);
        std::map<std::string, std::uint64_t> numbers;
        for (std::string word; words >> word;) {
            const auto equals = word.find('=');
            numbers[word.substr(0, equals)] = std::stoull(word.substr(equals + 1));
        }
        return numbers;
    }

private:
    Process process_;
};

PolicyText on_file(const std::string& name, const std::string& path, const std::string& action = "")
{
    return {.name = name, .match = "file: {path_prefixes: [" + path + "]}", .action = action};
}

double conflicts()
{
    return Daemon::metrics().sum("pinwarden_conflicts_total", {{"operation", "truncate"}});
}

std::uint64_t lost_operations(Daemon& daemon)
{
    const auto status = daemon.api().status();
    const auto found =
        std::ranges::find_if(status.losses(), [](const auto& loss) { return loss.cause() == "ring_full_operation"; });
    return found == status.losses().end() ? 0 : found->count();
}

// Asks the daemon this and that as long as the storm lasts. How often it answered.
int ask_meanwhile(Daemon& daemon, Storm& storm)
{
    int answers = 0;
    while (storm.under_way()) {
        CHECK(daemon.api().status().hooks_size() > 0);
        CHECK(daemon.api().policies().size() == 3);
        CHECK(Daemon::metrics().sum("pinwarden_pipeline_responding") == 1);
        ++answers;
    }
    return answers;
}

}  // namespace

TEST_CASE("a storm of truncates is counted exactly, its signals are limited, and nobody stays stopped", "[storm]")
{
    Daemon::stop_shared();
    Daemon daemon({"--ring-size", "1MiB"});
    PinnedFile denied("tmpfs");
    PinnedFile held("ext4");
    PinnedFile signalled("tmpfs");
    PinnedFile bystander("tmpfs");
    signalled.pinner.ok("ignore");
    const AppliedPolicy deny(daemon.api(), on_file("storm-denies", denied.path));
    const AppliedPolicy hold(daemon.api(), on_file("storm-holds", held.path, "hold: {timeout: 1h}"));
    const AppliedPolicy revoke(
        daemon.api(), on_file("storm-revokes", signalled.path,
                              "hold: {timeout: 200ms, revoke: {notify: SIGUSR1, grace: 100ms, then: [SIGTERM]}}"));
    const double before = conflicts();

    // Everybody who waits is held, but not more than there is room for: the others get the fallback.
    Storm waiting(held.path, kWaiting, 0, kWaiting);
    Storm denying(denied.path, 2, kSeconds, 25000);
    Storm revoking(signalled.path, 1, 0, 40);
    Storm refused(held.path, 1, kSeconds / 2, 4600);
    revoking.begin();
    denying.begin();
    const auto revoked = revoking.result();
    waiting.begin();
    eventually("all are held for whom there is room", [&] { return daemon.api().status().holds() == kHolds; }, kSlow);
    refused.begin();
    const int answers = ask_meanwhile(daemon, denying);
    const auto denials = denying.result();
    const auto refusals = refused.result();
    CHECK(answers >= 1);
    CHECK(daemon.api().holds().size() == kHolds);

    held.pinner.ok("release");
    const auto waited = waiting.result();
    eventually("nobody is held", [&] { return daemon.api().status().holds() == 0; });
    CHECK(stopped_processes().empty());

    // As the callers saw it.
    CHECK(denials.at("EBUSY") == denials.at("tried"));
    CHECK(refusals.at("EBUSY") == refusals.at("tried"));
    CHECK(waited.at("ok") == kHolds);
    CHECK(waited.at("EBUSY") == kWaiting - kHolds);
    CHECK(revoked.at("EBUSY") + revoked.at("ok") == revoked.at("tried"));
    // As it was counted. Once the policy that signals has been limited, one truncate goes through; after that nothing
    // pinned is left to take away.
    const std::uint64_t seen =
        denials.at("EBUSY") + refusals.at("EBUSY") + kWaiting + revoked.at("EBUSY") + (revoked.at("ok") > 0 ? 1 : 0);
    const std::uint64_t lost = lost_operations(daemon);
    std::cout << "storm: " << seen << " conflicts in " << denials.at("milliseconds") << " ms, " << lost
              << " reports of them lost, the daemon answered " << 3 * answers << " times\n";
    CHECK(static_cast<std::uint64_t>(conflicts() - before) + lost == seen);
    CHECK(deny.status().matched() + hold.status().matched() + revoke.status().matched() + lost == seen);
    CHECK(deny.status().denied() + hold.status().denied() + hold.status().held() + lost >=
          denials.at("EBUSY") + refusals.at("EBUSY") + kWaiting);
    const Metrics metrics = Daemon::metrics();
    if (lost == 0) {
        CHECK(deny.status().denied() == denials.at("EBUSY"));
        CHECK(hold.status().held() == kHolds);
        CHECK(hold.status().denied() == refusals.at("EBUSY") + kWaiting - kHolds);
        CHECK(metrics.sum("pinwarden_holds_ended_total") == static_cast<double>(kHolds + revoke.status().held()));
        // The policy that was limited changed what is in force: one that asked no more between that and the release was
        // held by policies that are others now. So many cannot all run at once: one that has to wait for a second until
        // it does is taken for one that will not ask again, and then asks and goes ahead all the same.
        CHECK(metrics.sum("pinwarden_holds_ended_total", {{"outcome", "pins_gone"}}) +
                  metrics.sum("pinwarden_holds_ended_total", {{"outcome", "decided"}}) +
                  metrics.sum("pinwarden_holds_ended_total", {{"outcome", "abandoned"}}) >=
              static_cast<double>(kHolds));
    }
    // Ten at once, and one each 15 seconds.
    const double sent = metrics.sum("pinwarden_signals_total", {{"outcome", "sent"}});
    std::cout << "storm: " << sent << " signals sent, then the policy was " << revoke.status().state() << '\n';
    CHECK(sent >= 10);
    CHECK(sent <= 12);
    CHECK(revoke.status().state() == "degraded");
    CHECK(metrics.sum("pinwarden_policies", {{"state", "degraded"}}) == 1);
    CHECK(denied.whole());
    CHECK(bystander.whole());
    CHECK(signalled.pinner.ok("pid") == std::to_string(signalled.pinner.pid()));

    // A daemon that cannot read: nothing goes through, and what could not be told is counted.
    const std::uint64_t told = deny.status().denied();
    constexpr std::uint64_t kUntold = 8000;
    {
        Storm untold(denied.path, 2, 0, kUntold);
        const Daemon::Paused paused(daemon);
        untold.begin();
        CHECK(untold.result().at("EBUSY") == kUntold);
    }
    eventually("each was told, or counted as lost",
               [&] { return deny.status().denied() - told + lost_operations(daemon) - lost == kUntold; });
    CHECK(lost_operations(daemon) > lost);
    CHECK(Daemon::metrics().sum("pinwarden_events_lost_total", {{"cause", "ring_full_operation"}}) ==
          static_cast<double>(lost_operations(daemon)));
    CHECK(denied.whole());
}
