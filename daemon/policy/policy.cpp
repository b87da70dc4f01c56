#include "policy/policy.h"

#include <pinwarden/abi.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "policy/suggest.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

using Found = std::optional<PolicyProblem>;

constexpr std::size_t kMaxNameBytes = 63;
// The kernel keeps 15 bytes of a process name and of a file system's; a longer one would never match.
constexpr std::size_t kMaxCommBytes = PW_COMM_LENGTH - 1;
constexpr std::size_t kMaxFilesystemBytes = PW_FILESYSTEM_NAME - 1;
constexpr std::size_t kMaxDriverBytes = 63;
// The greatest errno of Linux' user API; the kernel refuses to return anything beyond it from a decision.
constexpr int kMaxErrno = 133;

constexpr std::array<std::pair<std::string_view, int>, 3> kErrnoAliases = {{
    {"EWOULDBLOCK", EWOULDBLOCK},
    {"EDEADLOCK", EDEADLOCK},
    {"ENOTSUP", ENOTSUP},
}};

// ERESTART has a name in the user API, but the system call layer takes it as "start over", not as a failure.
bool can_fail_with(int error)
{
    return error >= 1 && error <= kMaxErrno && error != ERESTART && strerrorname_np(error) != nullptr;
}

std::vector<std::string> errno_names()
{
    std::vector<std::string> names;
    for (int error = 1; error <= kMaxErrno; ++error) {
        if (can_fail_with(error)) {
            names.emplace_back(strerrorname_np(error));
        }
    }
    return names;
}

bool is_letter_or_digit(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
}

bool is_control(char letter)
{
    return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
}

std::string indexed(const std::string& field, std::size_t index)
{
    return field + "[" + std::to_string(index) + "]";
}

std::string quoted(std::string_view text)
{
    return "\"" + shorten(text) + "\"";
}

template <typename Value>
Found find_repeated(const std::string& field, const std::vector<Value>& values)
{
    std::set<Value> seen;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!seen.insert(values[i]).second) {
            return PolicyProblem{indexed(field, i), "given twice; remove one"};
        }
    }
    return std::nullopt;
}

Found check_count(const std::string& field, std::size_t count, std::size_t most)
{
    if (count > most) {
        return PolicyProblem{field, "has " + std::to_string(count) + " entries; at most " + std::to_string(most) +
                                        " are possible, use several policies for more"};
    }
    return std::nullopt;
}

// A list of names: each neither empty, nor longer than `most` bytes, nor with control characters; none twice.
Found check_names(const std::string& field, const std::vector<std::string>& names, std::size_t most)
{
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) {
            return PolicyProblem{indexed(field, i), "is empty; remove it or give a name"};
        }
        if (names[i].size() > most) {
            return PolicyProblem{indexed(field, i), quoted(names[i]) + " is too long; at most " + std::to_string(most) +
                                                        " bytes, a longer one would never match"};
        }
        if (std::ranges::any_of(names[i], is_control)) {
            return PolicyProblem{indexed(field, i), "has a control character in it; remove it"};
        }
    }
    return find_repeated(field, names);
}

Found check_name(const Policy& policy)
{
    if (policy.name.empty()) {
        return PolicyProblem{"name", "is missing; give the policy a name, such as protect-datasets"};
    }
    if (policy.name.size() > kMaxNameBytes) {
        return PolicyProblem{"name", "is too long; at most " + std::to_string(kMaxNameBytes) + " characters"};
    }
    const auto allowed = [](char letter) {
        return is_letter_or_digit(letter) || letter == '-' || letter == '_' || letter == '.';
    };
    if (!std::ranges::all_of(policy.name, allowed)) {
        return PolicyProblem{"name", quoted(policy.name) +
                                         " has characters it must not have; letters, digits, '-', '_' "
                                         "and '.' are possible"};
    }
    return std::nullopt;
}

Found check_operations(const Policy& policy)
{
    if (policy.operations.empty()) {
        return PolicyProblem{"match.operations",
                             "is missing; without it the policy would match nothing: say which operations, such as "
                             "[truncate]"};
    }
    return find_repeated("match.operations", policy.operations);
}

Found check_path_prefixes(const Policy& policy)
{
    const std::string field = "match.file.path_prefixes";
    const std::vector<std::string>& prefixes = policy.file.path_prefixes;
    if (auto problem = check_count(field, prefixes.size(), kMaxPathPrefixes)) {
        return problem;
    }
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
        const Result<std::string> normal = normalise_path_prefix(prefixes[i]);
        if (!normal) {
            return PolicyProblem{indexed(field, i), normal.error().message};
        }
        if (*normal != prefixes[i]) {
            return PolicyProblem{indexed(field, i),
                                 quoted(prefixes[i]) + " is not normalised; write " + quoted(*normal)};
        }
    }
    return find_repeated(field, prefixes);
}

Found check_filesystems(const Policy& policy)
{
    const std::string field = "match.file.filesystems";
    const std::vector<std::string>& names = policy.file.filesystems;
    if (auto problem = check_count(field, names.size(), PW_POLICY_FILESYSTEMS)) {
        return problem;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (const auto dot = names[i].find('.'); dot != std::string::npos) {
            return PolicyProblem{indexed(field, i), quoted(names[i]) +
                                                        " would never match: the kernel knows no subtypes; "
                                                        "write " +
                                                        quoted(names[i].substr(0, dot))};
        }
    }
    return check_names(field, names, kMaxFilesystemBytes);
}

Found check_drivers(const Policy& policy)
{
    const std::string field = "match.pin.drivers";
    if (auto problem = check_count(field, policy.pin.drivers.size(), kMaxSelectorValues)) {
        return problem;
    }
    return check_names(field, policy.pin.drivers, kMaxDriverBytes);
}

Found check_uids(const Policy& policy)
{
    const std::string field = "match.owner.uids";
    const std::vector<std::uint32_t>& uids = policy.owner.uids;
    if (auto problem = check_count(field, uids.size(), kMaxSelectorValues)) {
        return problem;
    }
    for (std::size_t i = 0; i < uids.size(); ++i) {
        if (uids[i] == std::numeric_limits<std::uint32_t>::max()) {
            return PolicyProblem{indexed(field, i), "4294967295 is no user's id: the kernel uses it for \"none\""};
        }
    }
    return find_repeated(field, uids);
}

Found check_comms(const Policy& policy)
{
    const std::string field = "match.owner.comms";
    if (auto problem = check_count(field, policy.owner.comms.size(), kMaxSelectorValues)) {
        return problem;
    }
    return check_names(field, policy.owner.comms, kMaxCommBytes);
}

Found check_action(const Policy& policy)
{
    if (policy.deny_errno == 0) {
        return PolicyProblem{
            "action", "is missing; available are deny, such as deny: {errno: EBUSY}, and hold, such as hold: {}"};
    }
    if (!can_fail_with(policy.deny_errno)) {
        return PolicyProblem{policy.hold ? "action.hold.errno" : "action.deny.errno",
                             errno_name(policy.deny_errno) + " is nothing an operation can fail with; EBUSY is usual"};
    }
    return std::nullopt;
}

Found check_hold(const Policy& policy)
{
    if (!policy.hold) {
        return std::nullopt;
    }
    const std::string field = "action.hold.timeout";
    const Nanoseconds timeout = policy.hold->timeout;
    if (timeout < kMinHoldTimeout) {
        return PolicyProblem{field, format_duration(timeout) + " is too short; at least " +
                                        format_duration(kMinHoldTimeout) +
                                        ", a shorter hold cannot be told from the machine being busy"};
    }
    if (timeout > kMaxHoldTimeout) {
        return PolicyProblem{field, format_duration(timeout) + " is too long; at most " +
                                        format_duration(kMaxHoldTimeout) + ", nobody waits for longer than that"};
    }
    return std::nullopt;
}

// From the beginning to the last signal, or, where owners are only asked, to the end of what they have to answer.
Nanoseconds length_of(const Revoke& revoke)
{
    Nanoseconds length = revoke.grace;
    for (const SignalStep& step : revoke.then) {
        length += step.wait;
    }
    return length;
}

Found check_revoke(const Policy& policy)
{
    if (!policy.hold || !policy.hold->revoke) {
        return std::nullopt;
    }
    const std::string field = "action.hold.revoke";
    if (auto problem = find_problem(*policy.hold->revoke)) {
        return PolicyProblem{problem->field.empty() ? field : field + "." + problem->field, problem->what};
    }
    const Nanoseconds length = length_of(*policy.hold->revoke);
    if (length > policy.hold->timeout) {
        return PolicyProblem{field, "takes " + format_duration(length) + " until its end, which a hold of " +
                                        format_duration(policy.hold->timeout) +
                                        " never reaches; raise action.hold.timeout to " + format_duration(length) +
                                        " or more, or shorten grace and the durations of then"};
    }
    return std::nullopt;
}

}  // namespace

bool Policy::selects_pins() const
{
    return !pin.drivers.empty() || pin.min_bytes > 0 || pin.min_age > 0 || !owner.uids.empty() || !owner.comms.empty();
}

std::string_view to_string(Mode mode)
{
    switch (mode) {
        case Mode::kMonitor: return "monitor";
        case Mode::kEnforce: return "enforce";
        case Mode::kOff: return "off";
    }
    return "unknown";
}

std::string_view to_string(Operation operation)
{
    switch (operation) {
        case Operation::kTruncate: return "truncate";
        case Operation::kPunchHole: return "punch_hole";
        case Operation::kCollapseRange: return "collapse_range";
        case Operation::kZeroRange: return "zero_range";
        case Operation::kInsertRange: return "insert_range";
        case Operation::kMadvRemove: return "madv_remove";
        case Operation::kUmount: return "umount";
    }
    return "unknown";
}

std::string_view to_string(Unresolved unresolved)
{
    switch (unresolved) {
        case Unresolved::kDeny: return "deny";
        case Unresolved::kAllow: return "allow";
        case Unresolved::kHold: return "hold";
    }
    return "unknown";
}

std::string_view to_string(Outcome outcome)
{
    switch (outcome) {
        case Outcome::kDeny: return "deny";
        case Outcome::kAllow: return "allow";
    }
    return "unknown";
}

std::string_view to_string(Unattended unattended)
{
    switch (unattended) {
        case Unattended::kRelease: return "release";
        case Unattended::kKeep: return "keep";
    }
    return "unknown";
}

std::string errno_name(int error)
{
    const char* name = error > 0 ? strerrorname_np(error) : nullptr;
    return name != nullptr ? name : "errno " + std::to_string(error);
}

Result<int> errno_from_name(std::string_view name)
{
    for (const auto& [alias, error] : kErrnoAliases) {
        if (alias == name) {
            return error;
        }
    }
    for (int error = 1; error <= kMaxErrno; ++error) {
        if (can_fail_with(error) && name == strerrorname_np(error)) {
            return error;
        }
    }
    const std::string near = nearest(name, errno_names());
    const std::string hint = near.empty() ? "; write the name of an error, such as EBUSY, EPERM or ETXTBSY"
                                          : "; did you mean " + quoted(near) + "?";
    return fail(quoted(name) + " is no error an operation can fail with" + hint, EINVAL);
}

Result<std::string> normalise_path_prefix(std::string_view path)
{
    if (!path.starts_with('/')) {
        return fail(path.empty() ? "is empty; write an absolute path, or leave the list out"
                                 : quoted(path) + " is not absolute; start it with '/'",
                    EINVAL);
    }
    std::string normal;
    for (std::size_t start = 0; start < path.size();) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        const std::string_view component = path.substr(start, end - start);
        start = end + 1;
        if (component == "..") {
            return fail(quoted(path) + " has \"..\" in it; write the path it stands for", EINVAL);
        }
        if (std::ranges::any_of(component, is_control)) {
            return fail("has a control character in it; such a path cannot be a prefix, take the one above it", EINVAL);
        }
        if (!component.empty() && component != ".") {
            normal += "/" + std::string(component);
        }
    }
    if (normal.size() >= PATH_MAX) {
        return fail("is too long; a path has at most " + std::to_string(PATH_MAX - 1) + " bytes", EINVAL);
    }
    return normal.empty() ? "/" : normal;
}

bool at_or_below(std::string_view path, std::string_view prefix)
{
    return prefix == "/" || path == prefix || (path.starts_with(prefix) && path[prefix.size()] == '/');
}

std::optional<PolicyProblem> find_problem(const Policy& policy)
{
    for (const auto check : {check_name, check_operations, check_path_prefixes, check_filesystems, check_drivers,
                             check_uids, check_comms, check_action, check_hold, check_revoke}) {
        if (auto problem = check(policy)) {
            return problem;
        }
    }
    return std::nullopt;
}

Result<void> validate(const Policy& policy)
{
    if (const auto problem = find_problem(policy)) {
        return fail(problem->field + ": " + problem->what, EINVAL);
    }
    return {};
}

}  // namespace pinwarden
