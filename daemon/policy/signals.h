// Which signals a policy sends, to whom and how far apart, and how its text says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace pinwarden {

inline constexpr std::size_t kMaxSignalSteps = 8;
// Between two signals. A shorter wait cannot be told from the machine being busy, and nobody waits longer than an hour.
inline constexpr Nanoseconds kMinSignalWait = 100'000'000;
inline constexpr Nanoseconds kMaxSignalWait = 3'600'000'000'000;

struct SignalStep {
    int signal = 0;
    Nanoseconds wait = 0;  // before the next step; 0 for the last

    friend bool operator==(const SignalStep&, const SignalStep&) = default;
};

// How owners are made to let go of their pins: they are asked, have `grace` to do so, and are then sent signals.
struct Revoke {
    std::optional<int> notify;  // the signal that asks; nothing: they are not asked
    Nanoseconds grace = 5'000'000'000;
    std::vector<SignalStep> then;  // empty: asking is all

    friend bool operator==(const Revoke&, const Revoke&) = default;
};

enum class SignalTarget : std::uint8_t { kOwners, kCaller };
std::string_view to_string(SignalTarget target);

// Signals at once, without asking and without holding the operation.
struct SignalAction {
    SignalTarget target = SignalTarget::kOwners;
    std::vector<SignalStep> signals;

    friend bool operator==(const SignalAction&, const SignalAction&) = default;
};

// "SIGTERM" for 15, "SIGRTMIN+3" for a real-time signal; "signal 99" for one without a name. And back: nothing for an
// unknown name, the message suggests a near one. Knows the aliases SIGIO, SIGIOT, SIGCLD, SIGRTMAX and SIGRTMAX-n.
// Names are those of this C library: SIGRTMIN lies above the signals it keeps for itself.
std::string signal_name(int signal);
Result<int> signal_from_name(std::string_view name);

// What is wrong with signals: the field, relative to what was looked at ("[2]" of a list, "then[2]" of a revoke), and
// what about it, with a hint.
struct SignalProblem {
    std::string field;
    std::string what;

    friend bool operator==(const SignalProblem&, const SignalProblem&) = default;
};

// "[SIGTERM, 5s, SIGKILL]", entry by entry: signals with durations between them. Finds what find_problem() does, too.
std::expected<std::vector<SignalStep>, SignalProblem> parse_signal_steps(const std::vector<std::string>& entries);
// Back to that form; parse_signal_steps() reads it to the same steps.
std::vector<std::string> format_signal_steps(const std::vector<SignalStep>& steps);

// Checks steps however they came: at least one, at most kMaxSignalSteps, each signal one that can be sent on purpose,
// waits from kMinSignalWait to kMaxSignalWait between them and none after the last, SIGKILL last. Entries are counted
// as in the form above: signals have even numbers, waits odd ones.
std::optional<SignalProblem> find_problem(const std::vector<SignalStep>& steps);
// The same for `then`, unless it is empty. Asking needs a signal that leaves the owner a choice and a grace from
// kMinSignalWait on; grace is at most kMaxSignalWait; and something must be sent at all.
std::optional<SignalProblem> find_problem(const Revoke& revoke);
std::optional<SignalProblem> find_problem(const SignalAction& action);

}  // namespace pinwarden
