#include "policy/signals.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <utility>

namespace pinwarden {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

using Entries = std::vector<std::string>;

}  // namespace

TEST_CASE("signals go by their names", "[signals]")
{
    CHECK(signal_name(SIGTERM) == "SIGTERM");
    CHECK(signal_name(SIGRTMIN) == "SIGRTMIN");
    CHECK(signal_name(SIGRTMIN + 3) == "SIGRTMIN+3");
    CHECK(signal_name(0) == "signal 0");
    CHECK(signal_name(99) == "signal 99");
    CHECK(signal_name(-1) == "signal -1");
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
        const std::string name = signal_name(signal);
        INFO(name);
        const bool kept_by_the_library = signal > 31 && signal < SIGRTMIN;
        const auto back = signal_from_name(name);
        CHECK(back.has_value() == !kept_by_the_library);
        CHECK((kept_by_the_library || *back == signal));
    }
    CHECK(signal_from_name("SIGIO").value() == SIGIO);
    CHECK(signal_from_name("SIGPOLL").value() == SIGPOLL);
    CHECK(signal_from_name("SIGIOT").value() == SIGABRT);
    CHECK(signal_from_name("SIGCLD").value() == SIGCHLD);
    CHECK(signal_from_name("SIGRTMAX").value() == SIGRTMAX);
    CHECK(signal_from_name("SIGRTMAX-2").value() == SIGRTMAX - 2);
    CHECK(signal_from_name("SIGRTMIN+0").value() == SIGRTMIN);
}

TEST_CASE("an unknown signal is refused with a near one", "[signals]")
{
    const std::pair<const char*, const char*> table[] = {
        {"SIGTERN", R"("SIGTERN" is no signal; did you mean "SIGTERM"?)"},
        {"sigkill", R"("sigkill" is no signal; did you mean "SIGKILL"?)"},
        {"TERM", R"("TERM" is no signal; did you mean "SIGTERM"?)"},
        {"USR1", R"("USR1" is no signal; did you mean "SIGUSR1"?)"},
        {"please", "\"please\" is no signal; write its name, such as SIGUSR1, SIGTERM or SIGRTMIN+3"},
        {"", "\"\" is no signal; write its name, such as SIGUSR1, SIGTERM or SIGRTMIN+3"},
        {"SIGRTMIN+31", "real-time signals are SIGRTMIN to SIGRTMIN+30, or SIGRTMAX-30 to SIGRTMAX"},
        {"SIGRTMIN-1", "real-time signals are"},
        {"SIGRTMAX+1", "real-time signals are"},
        {"SIGRTMIN+", "real-time signals are"},
        {"SIGRTMIN+1x", "real-time signals are"},
        {"SIGRTMIN+-1", "real-time signals are"},
        {"SIGRTMIN+99999999999", "real-time signals are"},
    };
    for (const auto& [name, message] : table) {
        INFO(name);
        const auto signal = signal_from_name(name);
        REQUIRE_FALSE(signal);
        CHECK_THAT(signal.error().message, Catch::Contains(message));
    }
}

TEST_CASE("a list of signals and durations is steps, and back", "[signals]")
{
    const std::pair<Entries, std::vector<SignalStep>> table[] = {
        {{"SIGTERM"}, {{SIGTERM, 0}}},
        {{"SIGTERM", "5s", "SIGKILL"}, {{SIGTERM, 5 * kSecond}, {SIGKILL, 0}}},
        {{"SIGRTMIN+3", "100ms", "SIGTERM", "1h", "SIGKILL"},
         {{SIGRTMIN + 3, kMinSignalWait}, {SIGTERM, kMaxSignalWait}, {SIGKILL, 0}}},
        {{"SIGTERM", "1s", "SIGTERM"}, {{SIGTERM, kSecond}, {SIGTERM, 0}}},
    };
    for (const auto& [entries, steps] : table) {
        CHECK(parse_signal_steps(entries).value() == steps);
        CHECK(format_signal_steps(steps) == entries);
    }
}

TEST_CASE("a list that makes no sense is refused where it does not", "[signals]")
{
    struct Row {
        Entries entries;
        std::string field;
        std::string what;
    };
    const Row table[] = {
        {{}, "", "has no signal; write signals with durations between them, such as [SIGTERM, 5s, SIGKILL]"},
        {{"5s", "SIGTERM"}, "[0]", "\"5s\" comes before any signal"},
        {{"SIGTERM", "5s", "5s", "SIGKILL"}, "[2]", "\"5s\" is a second duration in a row"},
        {{"SIGTERM", "SIGKILL"}, "[1]", "\"SIGKILL\" follows SIGTERM at once"},
        {{"SIGTERM", "5s"}, "[1]", "\"5s\" has no signal after it"},
        {{"SIGKILL", "5s"}, "[1]", "\"5s\" comes after SIGKILL, which no process survives; remove it"},
        {{"SIGKILL", "5s", "SIGTERM"}, "[1]", "comes after SIGKILL"},
        {{"SIGKILL", "SIGKILL"}, "[1]", "comes after SIGKILL"},
        {{"SIGTERM", "5", "SIGKILL"}, "[1]", "\"5\" lacks a unit"},
        {{"15"}, "[0]", "if a signal is meant, write its name, SIGTERM"},
        {{"SIGTERM", "-5s", "SIGKILL"}, "[1]", "is negative"},
        {{"SIGTERM", "99ms", "SIGKILL"}, "[1]", "\"99ms\" is too short"},
        {{"SIGTERM", "0s", "SIGKILL"}, "[1]", "is too short"},
        {{"SIGTERM", "61m", "SIGKILL"}, "[1]", "\"61m\" is too long: nobody waits for that; at most 1h"},
        {{"SIGTERM", "5s", "SIGKIL"}, "[2]", "did you mean \"SIGKILL\"?"},
        {{"SIGSTOP"}, "[0]", "SIGSTOP would stop the process"},
        {{"SIGTERM", "5s", "SIGTSTP"}, "[2]", "SIGTSTP would stop the process"},
        {{"SIGTTIN"}, "[0]", "would stop"},
        {{"SIGTTOU"}, "[0]", "would stop"},
        {{"SIGCONT"}, "[0]", "SIGCONT would let go on"},
        {{"SIGHUP", "1s", "SIGHUP", "1s", "SIGHUP", "1s", "SIGHUP", "1s", "SIGHUP", "1s", "SIGHUP", "1s", "SIGHUP",
          "1s", "SIGHUP", "1s", "SIGKILL"},
         "",
         "has 9 signals; at most 8 are possible"},
    };
    for (const auto& [entries, field, what] : table) {
        INFO(what);
        const auto steps = parse_signal_steps(entries);
        REQUIRE_FALSE(steps);
        CHECK(steps.error().field == field);
        CHECK_THAT(steps.error().what, Catch::Contains(what));
    }
}

TEST_CASE("steps that did not come from text are checked alike", "[signals]")
{
    const std::pair<std::vector<SignalStep>, std::string> table[] = {
        {{}, ""},
        {{{0, 0}}, "[0]"},
        {{{33, 0}}, "[0]"},
        {{{SIGRTMAX + 1, 0}}, "[0]"},
        {{{SIGTERM, 0}, {SIGKILL, 0}}, "[1]"},
        {{{SIGTERM, kSecond}}, "[1]"},
        {{{SIGKILL, kSecond}, {SIGTERM, 0}}, "[2]"},
        {{{SIGTERM, kSecond}, {SIGSTOP, 0}}, "[2]"},
    };
    for (const auto& [steps, field] : table) {
        const auto problem = find_problem(steps);
        REQUIRE(problem);
        CHECK(problem->field == field);
    }
    CHECK_FALSE(find_problem(std::vector<SignalStep>{{SIGTERM, kSecond}, {SIGKILL, 0}}));
    CHECK(find_problem(SignalAction{SignalTarget::kCaller, {{SIGSTOP, 0}}})->field == "signals[0]");
    CHECK_FALSE(find_problem(SignalAction{SignalTarget::kCaller, {{SIGTERM, 0}}}));
    CHECK(to_string(SignalTarget::kOwners) == "owners");
    CHECK(to_string(SignalTarget::kCaller) == "caller");
}

TEST_CASE("a revoke asks, waits, and then insists", "[signals]")
{
    const Revoke good{.notify = SIGUSR1, .grace = 5 * kSecond, .then = {{SIGTERM, 5 * kSecond}, {SIGKILL, 0}}};
    CHECK_FALSE(find_problem(good));
    CHECK_FALSE(find_problem(Revoke{.notify = SIGUSR1, .then = {}}));
    CHECK_FALSE(find_problem(Revoke{.notify = {}, .grace = 0, .then = {{SIGKILL, 0}}}));

    struct Row {
        Revoke revoke;
        std::string field;
        std::string what;
    };
    const Row table[] = {
        {{.notify = SIGKILL, .then = {}}, "notify", "SIGKILL asks for nothing"},
        {{.notify = SIGSTOP, .then = {}}, "notify", "would stop the process"},
        {{.notify = 0, .then = {}}, "notify", "signal 0 is no signal a process can be sent on purpose"},
        {{.notify = SIGUSR1, .grace = 0, .then = {}}, "grace", "is too short"},
        {{.notify = SIGUSR1, .grace = kMaxSignalWait + 1, .then = {}}, "grace", "is too long"},
        {{.notify = {}, .grace = 1, .then = {{SIGKILL, 0}}}, "grace", "is too short"},
        {{.notify = {}, .grace = kMaxSignalWait + 1, .then = {{SIGKILL, 0}}}, "grace", "is too long"},
        {{.notify = {}, .then = {}}, "", "sends nothing"},
        {{.notify = SIGUSR1, .then = {{SIGTERM, kSecond}, {SIGCONT, 0}}}, "then[2]", "SIGCONT"},
    };
    for (const auto& [revoke, field, what] : table) {
        INFO(what);
        const auto problem = find_problem(revoke);
        REQUIRE(problem);
        CHECK(problem->field == field);
        CHECK_THAT(problem->what, Catch::Contains(what));
    }
}

}  // namespace pinwarden
