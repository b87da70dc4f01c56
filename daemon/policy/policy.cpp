#include "policy/policy.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <utility>

#include "policy/suggest.h"

namespace pinwarden {
namespace {

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

}  // namespace pinwarden
