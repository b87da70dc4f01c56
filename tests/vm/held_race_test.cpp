// No window either for policies that only the daemon can decide about, and that have the caller wait for it: a truncate
// that began after pages were pinned fails as long as they are, one that began after they were let go succeeds, and one
// that meets nobody's pins but others' is not denied.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"
#include "support/process.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// `./dev test --long` asks for 10000.
std::uint64_t turns()
{
    const char* wanted = std::getenv("PINWARDEN_RACE_TURNS");
    return wanted == nullptr ? 2400 : std::stoull(wanted);
}

std::chrono::seconds within(std::uint64_t count)
{
    return std::chrono::seconds(120 + count);
}

PolicyText selecting(const std::string& match)
{
    return {.match = match, .unresolved = "hold"};
}

// What else runs, and leaves the daemon little time: pins are seen late then, and more truncates have to wait for that.
class BusyMachine {
public:
    explicit BusyMachine(const Daemon& daemon) : daemon_(std::to_string(daemon.pid())) { renice("14"); }
    BusyMachine(const BusyMachine&) = delete;
    BusyMachine& operator=(const BusyMachine&) = delete;
    ~BusyMachine() { renice("0"); }

private:
    // All of its threads.
    void renice(const std::string& priority) const
    {
        shell("renice -n " + priority + " -p $(ls /proc/" + daemon_ + "/task)");
    }

    std::string daemon_;
    Process one_{{"nice", "-n", "10", "bash", "-c", "while :; do :; done"}};
    Process other_{{"nice", "-n", "10", "bash", "-c", "while :; do :; done"}};
};

// Why holds ended, so far.
std::string hold_ends()
{
    std::string all;
    const Metrics metrics = Daemon::metrics();
    for (const std::string outcome :
         {"pins_gone", "timed_out_allow", "timed_out_deny", "decided", "abandoned", "let_go_allow", "let_go_deny"}) {
        const double count = metrics.sum("pinwarden_holds_ended_total", {{"outcome", outcome}});
        all += outcome + "=" + std::to_string(static_cast<std::uint64_t>(count)) + " ";
    }
    return all;
}

// Runs `command` (see tests/vm/pinner/race.h), with what it says about how long it took.
std::map<std::string, std::uint64_t> race(Daemon& daemon, const std::string& what, const std::string& command,
                                          std::uint64_t count)
{
    const auto start = std::chrono::steady_clock::now();
    Pinner pinner;
    pinner.ok("memfd raced 16384");
    auto result =
        pinner.race(command + " " + std::to_string(count) + " " + Machine::instance().vfio("rw"), within(count));
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
    std::cout << "race: " << what << ": " << count << " turns in " << took << " ms\n";
    pinner.end();
    eventually("nothing is pinned", [&] { return daemon.api().status().pins() == 0; });
    return result;
}

}  // namespace

TEST_CASE("a truncate that is held until the daemon knows a new pin never slips through", "[held_race]")
{
    const auto [match, busy] = GENERATE(table<std::string, bool>(
        {{"pin: {drivers: [vfio], min_bytes: 16KiB}", false}, {"owner: {uids: [0], comms: [pinner]}", true}}));
    const std::uint64_t count = turns() / 2;
    INFO(match);
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), selecting(match));
    const auto others = busy ? std::make_unique<BusyMachine>(daemon) : nullptr;
    const auto result = race(daemon, match, "race", count);
    CHECK(result.at("denied") == count);
    CHECK(result.at("got_through") == 0);
    CHECK(result.at("damaged") == 0);
    CHECK(result.at("allowed") == count);
    CHECK(result.at("refused") == 0);
    CHECK(result.at("other_errors") == 0);
    CHECK(result.at("bystander_refused") == 0);
    CHECK(policy.status().denied() == count);
    std::cout << "race: " << policy.status().held() << " of them were held\n";
    CHECK(daemon.api().holds().empty());
}

TEST_CASE("nor is one denied, in the end, for pins that the policy is not about", "[held_race]")
{
    const std::string match = GENERATE("pin: {min_bytes: 20KiB}", "owner: {comms: [trainer]}");
    const std::uint64_t count = turns() / 6;
    INFO(match);
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), selecting(match));
    const auto result = race(daemon, match, "race", count);
    INFO(policy.status().held() << " were held; of all holds: " << hold_ends());
    CHECK(result.at("got_through") == count);
    CHECK(result.at("denied") == 0);
    CHECK(result.at("allowed") == count);
    CHECK(result.at("refused") == 0);
    CHECK(result.at("other_errors") == 0);
    CHECK(policy.status().denied() == 0);
    CHECK(daemon.api().holds().empty());
}

TEST_CASE("truncating all the time, and being held, while pins come and go finds no window", "[held_race]")
{
    const std::uint64_t count = turns() / 4;
    Daemon& daemon = Daemon::shared();
    const AppliedPolicy policy(daemon.api(), selecting("pin: {drivers: [vfio]}, owner: {uids: [0]}"));
    const auto result = race(daemon, "all the time", "storm", count);
    CHECK(result.at("denied") >= count);
    CHECK(result.at("got_through") == 0);
    CHECK(result.at("allowed") >= count);
    CHECK(result.at("refused") == 0);
    CHECK(result.at("other_errors") == 0);
    CHECK(daemon.api().holds().empty());
}
