#include "policy/signals.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <utility>

#include "policy/suggest.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

using Found = std::optional<SignalProblem>;

// The last of the signals with names of their own; from SIGRTMIN on they are counted.
constexpr int kLastStandard = 31;

constexpr std::array<std::pair<std::string_view, int>, 4> kAliases = {{
    {"SIGIO", SIGIO},
    {"SIGPOLL", SIGPOLL},
    {"SIGIOT", SIGIOT},
    {"SIGCLD", SIGCHLD},
}};

constexpr std::string_view kForm = "write signals with durations between them, such as [SIGTERM, 5s, SIGKILL]";

std::string entry(std::size_t index)
{
    return "[" + std::to_string(index) + "]";
}

std::vector<std::string> signal_names()
{
    std::vector<std::string> names;
    for (int signal = 1; signal <= kLastStandard; ++signal) {
        names.push_back(signal_name(signal));
    }
    for (const auto& [alias, signal] : kAliases) {
        names.emplace_back(alias);
    }
    names.emplace_back("SIGRTMIN");
    names.emplace_back("SIGRTMAX");
    return names;
}

// SIGRTMIN, SIGRTMIN+n, SIGRTMAX, SIGRTMAX-n.
std::optional<int> real_time_signal(std::string_view name)
{
    constexpr std::string_view kFirst = "SIGRTMIN";
    constexpr std::string_view kLast = "SIGRTMAX";
    const bool from_first = name.starts_with(kFirst);
    if (!from_first && !name.starts_with(kLast)) {
        return std::nullopt;
    }
    name.remove_prefix(kFirst.size());
    unsigned distance = 0;
    if (!name.empty()) {
        if (name.front() != (from_first ? '+' : '-')) {
            return std::nullopt;
        }
        name.remove_prefix(1);
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), distance);
        if (error != std::errc() || end != name.data() + name.size()) {
            return std::nullopt;
        }
    }
    if (distance > static_cast<unsigned>(SIGRTMAX - SIGRTMIN)) {
        return std::nullopt;
    }
    return from_first ? SIGRTMIN + static_cast<int>(distance) : SIGRTMAX - static_cast<int>(distance);
}

bool has_name(int signal)
{
    return (signal >= 1 && signal <= kLastStandard) || (signal >= SIGRTMIN && signal <= SIGRTMAX);
}

// Why no policy may send it; empty when one may.
std::string why_never(int signal)
{
    if (!has_name(signal)) {
        return "is no signal a process can be sent on purpose; SIGTERM is usual";
    }
    switch (signal) {
        case SIGSTOP:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU:
            return "would stop the process, and a stopped process lets go of nothing; to make it end, use SIGTERM and "
                   "SIGKILL, to make the caller of an operation wait, use hold";
        case SIGCONT:
            return "would let go on what somebody else has stopped, callers that are held among them; to ask, use a "
                   "signal that the process expects, such as SIGUSR1";
        default: return {};
    }
}

bool looks_like_duration(std::string_view text)
{
    return !text.empty() && ((text.front() >= '0' && text.front() <= '9') || text.front() == '-');
}

// A number without a unit may have been meant either way.
std::string bare_number_hint(std::string_view text)
{
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && has_name(number) ? "; if a signal is meant, write its name, " + signal_name(number) : "";
}

std::string after_kill(std::string_view text)
{
    return quoted(text) + " comes after SIGKILL, which no process survives; remove it";
}

// What stands where the grammar wants a signal.
std::expected<int, SignalProblem> read_signal(const std::vector<std::string>& entries, std::size_t index)
{
    const std::string& text = entries[index];
    if (looks_like_duration(text)) {
        const std::string what = index == 0 ? " comes before any signal; " : " is a second duration in a row; ";
        return std::unexpected(
            SignalProblem{entry(index), quoted(text) + what + std::string(kForm) + bare_number_hint(text)});
    }
    Result<int> signal = signal_from_name(shorten(text));
    if (!signal) {
        return std::unexpected(SignalProblem{entry(index), signal.error().message});
    }
    return *signal;
}

// What stands behind `signal`, where the grammar wants a duration with another signal to follow.
std::expected<Nanoseconds, SignalProblem> read_wait(const std::vector<std::string>& entries, std::size_t index,
                                                    int signal)
{
    const std::string& text = entries[index];
    if (signal == SIGKILL) {
        return std::unexpected(SignalProblem{entry(index), after_kill(text)});
    }
    if (!looks_like_duration(text)) {
        return std::unexpected(SignalProblem{entry(index), quoted(text) + " follows " + signal_name(signal) +
                                                               " at once, which leaves no time to answer it; " +
                                                               std::string(kForm)});
    }
    const Result<Nanoseconds> wait = parse_duration(shorten(text));
    if (!wait) {
        return std::unexpected(SignalProblem{entry(index), wait.error().message + bare_number_hint(text)});
    }
    if (index + 1 == entries.size()) {
        return std::unexpected(
            SignalProblem{entry(index), quoted(text) + " has no signal after it; add one, or remove it"});
    }
    return *wait;
}

Found check_wait(const std::string& field, Nanoseconds wait)
{
    if (wait < kMinSignalWait) {
        return SignalProblem{field, quoted(format_duration(wait)) +
                                        " is too short: it cannot be told from the machine being busy; at least " +
                                        format_duration(kMinSignalWait)};
    }
    if (wait > kMaxSignalWait) {
        return SignalProblem{field, quoted(format_duration(wait)) + " is too long: nobody waits for that; at most " +
                                        format_duration(kMaxSignalWait)};
    }
    return std::nullopt;
}

Found check_signal(const std::string& field, int signal)
{
    const std::string why = why_never(signal);
    return why.empty() ? std::nullopt : Found(SignalProblem{field, signal_name(signal) + " " + why});
}

Found check_notify(const Revoke& revoke)
{
    if (!revoke.notify) {
        return std::nullopt;
    }
    if (*revoke.notify == SIGKILL) {
        return SignalProblem{"notify",
                             "SIGKILL asks for nothing; use a signal that the owner expects, such as SIGUSR1, and put "
                             "SIGKILL at the end of then"};
    }
    return check_signal("notify", *revoke.notify);
}

Found check_grace(const Revoke& revoke)
{
    // Nobody was asked, so nobody needs time to answer.
    if (!revoke.notify && revoke.grace < kMinSignalWait) {
        return revoke.grace == 0 ? std::nullopt : check_wait("grace", revoke.grace);
    }
    return check_wait("grace", revoke.grace);
}

}  // namespace

std::string_view to_string(SignalTarget target)
{
    switch (target) {
        case SignalTarget::kOwners: return "owners";
        case SignalTarget::kCaller: return "caller";
    }
    return "unknown";
}

std::string signal_name(int signal)
{
    if (signal >= 1 && signal <= kLastStandard) {
        const char* name = sigabbrev_np(signal);
        return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
    }
    if (signal >= SIGRTMIN && signal <= SIGRTMAX) {
        return signal == SIGRTMIN ? "SIGRTMIN" : "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
    }
    return "signal " + std::to_string(signal);
}

Result<int> signal_from_name(std::string_view name)
{
    for (const auto& [alias, signal] : kAliases) {
        if (alias == name) {
            return signal;
        }
    }
    for (int signal = 1; signal <= kLastStandard; ++signal) {
        if (signal_name(signal) == name) {
            return signal;
        }
    }
    if (const auto signal = real_time_signal(name)) {
        return *signal;
    }
    std::string near = nearest(name, signal_names());
    if (near.empty()) {
        near = nearest("SIG" + std::string(name), signal_names());
    }
    std::string hint = near.empty() ? "; write its name, such as SIGUSR1, SIGTERM or SIGRTMIN+3"
                                    : "; did you mean " + quoted(near) + "?";
    if (name.starts_with("SIGRTM")) {
        const std::string count = std::to_string(SIGRTMAX - SIGRTMIN);
        hint = "; real-time signals are SIGRTMIN to SIGRTMIN+" + count + ", or SIGRTMAX-" + count + " to SIGRTMAX";
    }
    return fail(quoted(name) + " is no signal" + hint, EINVAL);
}

std::expected<std::vector<SignalStep>, SignalProblem> parse_signal_steps(const std::vector<std::string>& entries)
{
    std::vector<SignalStep> steps;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (i % 2 == 0) {
            const auto signal = read_signal(entries, i);
            if (!signal) {
                return std::unexpected(signal.error());
            }
            steps.push_back({.signal = *signal});
        } else {
            const auto wait = read_wait(entries, i, steps.back().signal);
            if (!wait) {
                return std::unexpected(wait.error());
            }
            steps.back().wait = *wait;
        }
    }
    if (auto problem = find_problem(steps)) {
        return std::unexpected(std::move(*problem));
    }
    return steps;
}

std::vector<std::string> format_signal_steps(const std::vector<SignalStep>& steps)
{
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        entries.push_back(signal_name(steps[i].signal));
        if (i + 1 < steps.size()) {
            entries.push_back(format_duration(steps[i].wait));
        }
    }
    return entries;
}

std::optional<SignalProblem> find_problem(const std::vector<SignalStep>& steps)
{
    if (steps.empty()) {
        return SignalProblem{"", "has no signal; " + std::string(kForm)};
    }
    if (steps.size() > kMaxSignalSteps) {
        return SignalProblem{"", "has " + std::to_string(steps.size()) + " signals; at most " +
                                     std::to_string(kMaxSignalSteps) + " are possible"};
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const bool last = i + 1 == steps.size();
        if (auto problem = check_signal(entry(2 * i), steps[i].signal)) {
            return problem;
        }
        if (!last && steps[i].signal == SIGKILL) {
            return SignalProblem{entry(2 * i + 2), after_kill(signal_name(steps[i + 1].signal))};
        }
        const std::string wait_field = entry(2 * i + 1);
        if (last && steps[i].wait != 0) {
            return SignalProblem{
                wait_field, quoted(format_duration(steps[i].wait)) + " has no signal after it; add one, or remove it"};
        }
        if (auto problem = last ? std::nullopt : check_wait(wait_field, steps[i].wait)) {
            return problem;
        }
    }
    return std::nullopt;
}

std::optional<SignalProblem> find_problem(const Revoke& revoke)
{
    for (const auto check : {check_notify, check_grace}) {
        if (auto problem = check(revoke)) {
            return problem;
        }
    }
    if (revoke.then.empty()) {
        return revoke.notify ? std::nullopt
                             : Found(SignalProblem{"",
                                                   "sends nothing; give it notify, such as SIGUSR1, or then, such as "
                                                   "[SIGTERM, 5s, SIGKILL], or both"});
    }
    if (auto problem = find_problem(revoke.then)) {
        return SignalProblem{"then" + problem->field, problem->what};
    }
    return std::nullopt;
}

std::optional<SignalProblem> find_problem(const SignalAction& action)
{
    if (auto problem = find_problem(action.signals)) {
        return SignalProblem{"signals" + problem->field, problem->what};
    }
    return std::nullopt;
}

}  // namespace pinwarden
