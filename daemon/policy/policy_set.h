// The policies in force, in order, and what the kernel needs to know of them.
#pragma once

#include <pinwarden/abi.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ledger/ledger.h"
#include "policy/policy.h"

namespace pinwarden {

// The root directory (or file) something is mounted or found at, as the kernel numbers it.
struct DirectoryId {
    std::uint64_t inode = 0;
    std::uint32_t device = 0;  // kernel encoding: major << 20 | minor

    friend auto operator<=>(const DirectoryId&, const DirectoryId&) = default;
};

struct ResolvedPath {
    std::string path;  // symbolic links followed
    std::vector<DirectoryId> directories;
};

// A file's path, in three parts that make it up.
struct MountedPath {
    std::string mountpoint;  // empty for the root of everything
    std::string root;        // of the mount, in the file system; not seen in the path
    std::string path;        // from there on
};

// Finds a path prefix's own directory and the roots of all mounts below it. Injected: the real one asks the kernel.
class PathResolver {
public:
    PathResolver() = default;
    PathResolver(const PathResolver&) = delete;
    PathResolver& operator=(const PathResolver&) = delete;
    virtual ~PathResolver() = default;

    // Without directories when the path does not exist (yet). Error for anything else that keeps it from being looked
    // up.
    virtual Result<ResolvedPath> resolve(const std::string& path) = 0;

    // Where a file is seen of which only its path in its file system is known, if that is mounted where the daemon sees
    // it.
    virtual std::optional<MountedPath> mounted(std::uint32_t device, const std::string& path) = 0;
    // Something was mounted or unmounted.
    virtual void mounts_changed() = 0;
};

// The compiled form: exactly what goes into the kernel's maps.
struct CompiledPolicies {
    pw_policy_table table{};
    std::map<DirectoryId, std::uint64_t> prefixes;  // bit per slot
    // Path prefixes that exist, symbolic links followed, and the slots they belong to, bit per slot.
    std::map<std::string, std::uint64_t> paths;
    // Per slot: which path prefixes do not exist yet; empty when all do. With some there, it matches below those.
    std::vector<std::string> pending;
};

// What has become of the policy in that slot: "off", "pending" (it cannot match, as none of its path prefixes exists
// yet), "monitoring", "active".
std::string_view policy_state(const CompiledPolicies& compiled, std::size_t slot);

// Which policies have a path prefix that this path is at or below, bit per slot. Paths that are not absolute
// ("memfd:x", or cut short) are below none.
std::uint64_t policies_covering(const CompiledPolicies& compiled, std::string_view path);

struct PolicyCounters {
    std::uint64_t matched = 0;
    std::uint64_t denied = 0;
    std::uint64_t would_have_denied = 0;
    std::uint64_t held = 0;
    std::uint64_t would_have_held = 0;
};

class PolicySet {
public:
    // Adds, or replaces in place those of the same name. All or none: on error nothing changes. Path prefixes are
    // normalised. Refuses duplicates within `policies`, what validate() refuses, and more than PW_POLICIES in all.
    Result<void> apply(const std::vector<Policy>& policies);
    // Error (code ENOENT) when there is none of that name; the message lists those there are.
    Result<void> remove(const std::string& name);
    // That error.
    static std::unexpected<Error> unknown(const std::string& name, const std::vector<std::string>& known);

    [[nodiscard]] const std::vector<Policy>& policies() const { return policies_; }
    // Counters by name survive a replacement.
    [[nodiscard]] const PolicyCounters& counters(const std::string& name) const;
    // Counts a decision: every policy in `matched`, and the deciding one by verdict. `decided_by` are the policies
    // whose slots the operation speaks of: these, or an earlier table's. One that has since been removed is not
    // counted.
    void count(const OperationEvent& operation, const std::vector<Policy>& decided_by);

    // Slots are positions in order of evaluation; a policy that is off keeps its slot, unused.
    [[nodiscard]] Result<CompiledPolicies> compile(PathResolver& resolver) const;

private:
    std::vector<Policy> policies_;
    std::map<std::string, PolicyCounters> counters_;
};

// Whether the pin and owner parts of the policy's match hold for this pin at this time.
bool concerns(const Policy& policy, const PinRecord& pin, Nanoseconds now);

// For a policy that selects pins: the smallest range of the file's pages that holds all concerned pins (none: nothing),
// and the time at which a pin that is too young now will become concerned, if there is such.
struct ConcernedRange {
    std::optional<std::pair<std::uint64_t, std::uint64_t>> pages;
    std::optional<Nanoseconds> next_change;
};
ConcernedRange concerned_range(const Policy& policy, const Ledger& ledger, const FileKey& file, Nanoseconds now);

// One sentence for people: which policy decided what, on which evidence.
std::string explain(const OperationEvent& operation, const Policy* policy, std::size_t pins_hit);

}  // namespace pinwarden
