#include "policy/policy.h"

#include <pinwarden/abi.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
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
// One less than the kernel's side compares: a longer name, cut there, must equal none.
constexpr std::size_t kMaxProgramBytes = PW_PROGRAM_NAME - 2;
constexpr std::size_t kMaxContainerBytes = 255;
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
    if (!policy.notify && !can_fail_with(policy.deny_errno)) {
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

bool Policy::selects_pins() const
{
    return !pin.drivers.empty() || pin.min_bytes > 0 || pin.min_age > 0 || pin.long_term.has_value() || !owner.any();
}

bool is_invalidation(Operation operation)
{
    return operation >= Operation::kMunmap;
}

Unresolved default_unresolved(const Policy& policy)
{
    if (policy.notify) {
        return Unresolved::kAllow;
    }
    return policy.signal ? Unresolved::kHold : Unresolved::kDeny;
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
        case Operation::kMunmap: return "munmap";
        case Operation::kMmapFixed: return "mmap_fixed";
        case Operation::kMremap: return "mremap";
        case Operation::kMadvDontneed: return "madv_dontneed";
        case Operation::kMadvGuard: return "madv_guard";
        case Operation::kInvalidate: return "invalidate";
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

Result<InodeId> parse_inode(std::string_view text)
{
    InodeId id;
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    const auto number = [&](auto& into, char after) {
        const auto parsed = std::from_chars(at, end, into);
        const bool ends_right = after == '\0' ? parsed.ptr == end : parsed.ptr != end && *parsed.ptr == after;
        at = ends_right && after != '\0' ? parsed.ptr + 1 : parsed.ptr;
        return parsed.ec == std::errc{} && ends_right;
    };
    const bool valid = number(id.major, ':') && number(id.minor, '/') && number(id.inode, '\0') &&
                       id.major < 1U << 12U && id.minor < 1U << 20U && id.inode != 0;
    if (!valid) {
        return fail(quoted(text) +
                        " is no inode; write MAJOR:MINOR/INODE as pinctl pins --json tells them, such as "
                        "\"8:17/4711\"",
                    EINVAL);
    }
    return id;
}

std::string to_string(const InodeId& inode)
{
    return std::to_string(inode.major) + ":" + std::to_string(inode.minor) + "/" + std::to_string(inode.inode);
}

bool at_or_below(std::string_view path, std::string_view prefix)
{
    return prefix == "/" || path == prefix || (path.starts_with(prefix) && path[prefix.size()] == '/');
}

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
        return fail(problem->field + ": " + problem->what, EINVAL);
    }
    return {};
}

}  // namespace pinwarden
