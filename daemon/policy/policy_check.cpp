// What keeps a policy from holding together.
#include <pinwarden/abi.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>
#include <utility>

#include "policy/policy.h"
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
// One less than the kernel's side compares: a longer name, cut there, must equal none.
constexpr std::size_t kMaxProgramBytes = PW_PROGRAM_NAME - 2;
constexpr std::size_t kMaxContainerBytes = 255;

bool is_letter_or_digit(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
}

std::string indexed(const std::string& field, std::size_t index)
{
    return field + "[" + std::to_string(index) + "]";
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

// A list of absolute paths.
Found check_paths(const std::string& field, const std::vector<std::string>& paths, std::size_t most)
{
    if (auto problem = check_count(field, paths.size(), most)) {
        return problem;
    }
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const Result<std::string> normal = normalise_path_prefix(paths[i]);
        if (!normal) {
            return PolicyProblem{indexed(field, i), normal.error().message};
        }
        if (*normal != paths[i]) {
            return PolicyProblem{indexed(field, i), quoted(paths[i]) + " is not normalised; write " + quoted(*normal)};
        }
    }
    return find_repeated(field, paths);
}

Found check_places(const Policy& policy)
{
    const FileSelector& file = policy.file;
    if (auto problem = check_paths("match.file.path_prefixes", file.path_prefixes, kMaxPathPrefixes)) {
        return problem;
    }
    if (auto problem = check_paths("match.file.mounts", file.mounts, kMaxPathPrefixes)) {
        return problem;
    }
    if (auto problem = check_count("match.file.inodes", file.inodes.size(), kMaxPathPrefixes)) {
        return problem;
    }
    return find_repeated("match.file.inodes", file.inodes);
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

Found check_uids(const std::string& field, const std::vector<std::uint32_t>& uids)
{
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

// The last part of the path: the kernel's side keeps that many bytes of it.
Found check_binaries(const std::string& field, const std::vector<std::string>& binaries)
{
    if (auto problem = check_paths(field, binaries, kMaxSelectorValues)) {
        return problem;
    }
    for (std::size_t i = 0; i < binaries.size(); ++i) {
        const std::string name = binaries[i].substr(binaries[i].rfind('/') + 1);
        if (name.empty() || name.size() > kMaxProgramBytes) {
            return PolicyProblem{indexed(field, i), quoted(binaries[i]) +
                                                        " is no program's path: its last part must have from 1 to " +
                                                        std::to_string(kMaxProgramBytes) + " bytes"};
        }
    }
    return std::nullopt;
}

Found check_process(const std::string& field, const ProcessSelector& process)
{
    if (auto problem = check_uids(field + ".uids", process.uids)) {
        return problem;
    }
    struct Names {
        std::string_view name;
        const std::vector<std::string>& values;
        std::size_t most;
    };
    for (const Names& names : {Names{".comms", process.comms, kMaxCommBytes},
                               Names{".containers", process.containers, kMaxContainerBytes}}) {
        const std::string where = field + std::string(names.name);
        if (auto problem = check_count(where, names.values.size(), kMaxSelectorValues)) {
            return problem;
        }
        if (auto problem = check_names(where, names.values, names.most)) {
            return problem;
        }
    }
    if (auto problem = check_paths(field + ".cgroups", process.cgroups, kMaxSelectorValues)) {
        return problem;
    }
    return check_binaries(field + ".binaries", process.binaries);
}

Found check_processes(const Policy& policy)
{
    if (auto problem = check_process("match.owner", policy.owner)) {
        return problem;
    }
    return check_process("match.caller", policy.caller);
}

Found check_action(const Policy& policy)
{
    const int actions = int{policy.deny_errno != 0} + int{policy.signal.has_value()} + int{policy.notify};
    if (actions == 0) {
        return PolicyProblem{"action",
                             "is missing; available are deny, hold, signal and notify, such as deny: {errno: EBUSY}"};
    }
    if (actions > 1) {
        return PolicyProblem{"action", "must be exactly one; remove the others"};
    }
    if (policy.signal) {
        const auto problem = find_problem(*policy.signal);
        return problem ? Found(PolicyProblem{"action.signal." + problem->field, problem->what}) : std::nullopt;
    }
    if (!policy.notify && !errno_from_name(errno_name(policy.deny_errno))) {
        return PolicyProblem{policy.hold ? "action.hold.errno" : "action.deny.errno",
                             errno_name(policy.deny_errno) + " is nothing an operation can fail with; EBUSY is usual"};
    }
    return std::nullopt;
}

// What is asked of the kernel's side must be something it can do.
Found check_abilities(const Policy& policy)
{
    for (std::size_t i = 0; i < policy.operations.size() && !policy.goes_ahead(); ++i) {
        if (is_invalidation(policy.operations[i])) {
            return PolicyProblem{indexed("match.operations", i),
                                 std::string(to_string(policy.operations[i])) +
                                     " cannot be stopped: the kernel has no hook that could fail it; take it out, or "
                                     "make the action signal or notify"};
        }
    }
    if (policy.goes_ahead() && policy.unresolved == Unresolved::kDeny) {
        return PolicyProblem{"unresolved",
                             "deny is not for a policy that lets every operation go ahead; write hold, so that the "
                             "caller waits until all pins are known, or allow"};
    }
    if (policy.goes_ahead() && policy.when_unattended == Unattended::kKeep) {
        return PolicyProblem{"when_unattended",
                             "keep is not for a policy that signals or notifies: without the daemon nobody does "
                             "either; write release"};
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

std::optional<PolicyProblem> find_problem(const Policy& policy)
{
    for (const auto check : {check_name, check_operations, check_places, check_filesystems, check_drivers,
                             check_processes, check_action, check_hold, check_revoke, check_abilities}) {
        if (auto problem = check(policy)) {
            return problem;
        }
    }
    return std::nullopt;
}

Result<void> validate(const Policy& policy)
{
    if (const auto problem = find_problem(policy)) {
        return fail_at(problem->field, problem->what, EINVAL);
    }
    return {};
}

}  // namespace pinwarden
