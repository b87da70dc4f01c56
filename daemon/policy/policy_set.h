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

// A program, by the directory it is in and its name there.
struct ProgramId {
    DirectoryId folder;
    std::string name;

    friend auto operator<=>(const ProgramId&, const ProgramId&) = default;
};

// Finds what paths and names in policies stand for now. Injected: the real one asks the kernel.
class PathResolver {
public:
    PathResolver() = default;
    PathResolver(const PathResolver&) = delete;
    PathResolver& operator=(const PathResolver&) = delete;
    virtual ~PathResolver() = default;

    // A path prefix's own directory and the roots of all mounts below it. Without directories when the path does not
    // exist (yet). Error for anything else that keeps it from being looked up.
    virtual Result<ResolvedPath> resolve(const std::string& path) = 0;
    // The root of what is mounted there, and nothing below. Without directories when nothing is.
    virtual Result<ResolvedPath> mounted_at(const std::string& path) = 0;
    // Nothing when its folder does not exist (yet). Error when a symbolic link leads there.
    virtual Result<std::optional<ProgramId>> program(const std::string& path) = 0;
    // Id of the cgroup at that path of the cgroup tree. Nothing when there is none (yet).
    virtual std::optional<std::uint64_t> cgroup(const std::string& path) = 0;
    // Ids of the container's cgroups.
    virtual std::vector<std::uint64_t> container(const std::string& id) = 0;

    // Where a file is seen of which only its path in its file system is known, if that is mounted where the daemon sees
    // it.
    virtual std::optional<MountedPath> mounted(std::uint32_t device, const std::string& path) = 0;
    // Something was mounted or unmounted.
    virtual void mounts_changed() = 0;
};

// One caller that policies select, as far as the kernel's side can compare.
struct CallerId {
    pw_caller_kind kind = PW_CALLER_UID;
    std::uint64_t number = 0;  // see pw_caller_key
    std::uint32_t device = 0;
    std::string name;

    friend auto operator<=>(const CallerId&, const CallerId&) = default;
};

// A place something is mounted at.
struct MountPlace {
    std::string path;  // symbolic links followed
    std::uint32_t device = 0;

    friend auto operator<=>(const MountPlace&, const MountPlace&) = default;
};

// The compiled form: what goes into the kernel's maps, and what the daemon itself compares with.
struct CompiledPolicies {
    pw_policy_table table{};
    std::map<DirectoryId, std::uint64_t> prefixes;  // bit per slot
    std::map<CallerId, std::uint64_t> callers;      // bit per slot
    // Path prefixes and mounts that exist, symbolic links followed, and the slots they belong to, bit per slot.
    std::map<std::string, std::uint64_t> paths;
    std::map<MountPlace, std::uint64_t> mounts;
    // Per slot: what it selects that does not exist yet; empty when all does. With some there, it matches those.
    std::vector<std::string> pending;
    // Bit per slot: it cannot match, as nothing of what it selects by something exists yet.
    std::uint64_t waiting = 0;

    // Whether all of what paths and names stand for is the same.
    [[nodiscard]] bool resolves_to_the_same(const CompiledPolicies& other) const
    {
        return prefixes == other.prefixes && callers == other.callers && paths == other.paths && mounts == other.mounts;
    }
};

// What has become of the policy in that slot: "off", "pending" (it cannot match, as none of the places or callers it
// selects exists yet), "monitoring", "active".
std::string_view policy_state(const CompiledPolicies& compiled, std::size_t slot);

// Which policies say of a place that this file is there, bit per slot. `path`: one that it has or had; where it is not
// absolute ("memfd:x", or cut short) only the file itself counts.
std::uint64_t policies_covering(const CompiledPolicies& compiled, const FileKey& file, std::string_view path);

// Path prefixes, and the like, as policies have them. What comes over the API need not be normalised.
void normalise(Policy& policy);
Result<CompiledPolicies> compile(const std::vector<Policy>& policies, PathResolver& resolver);

// What was decided about one operation.
struct Decided {
    std::uint64_t matched = 0;  // bit per slot
    int policy = -1;            // deciding slot, or -1
    pw_verdict verdict = PW_VERDICT_ALLOW;
};

struct PolicyCounters {
    std::uint64_t matched = 0;
    std::uint64_t denied = 0;
    std::uint64_t would_have_denied = 0;
    std::uint64_t held = 0;
    std::uint64_t would_have_held = 0;
    std::uint64_t signalled = 0;  // operations, whatever became of the signals
    std::uint64_t would_have_signalled = 0;
    std::uint64_t notified = 0;
    std::uint64_t would_have_notified = 0;
};

class PolicySet {
public:
    // Adds, or replaces in place those of the same name. All or none: on error nothing changes. Path prefixes are
    // normalised. Refuses duplicates within `policies`, what validate() refuses, and more than PW_POLICIES in all.
    Result<void> apply(const std::vector<Policy>& policies);
    // These, in this order, and no others; refuses what apply() does. Counters of those that stay do so, too.
    Result<void> replace(const std::vector<Policy>& policies);
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
    void tally(const Decided& decided, const std::vector<Policy>& decided_by);

    // Slots are positions in order of evaluation; a policy that is off keeps its slot, unused.
    [[nodiscard]] Result<CompiledPolicies> compile(PathResolver& resolver) const
    {
        return pinwarden::compile(policies_, resolver);
    }

private:
    std::vector<Policy> policies_;
    std::map<std::string, PolicyCounters> counters_;
};

// What a policy that lets operations go ahead decides.
pw_verdict ahead(const Policy& policy);

// Whether what is known of the process suits.
bool suits(const ProcessSelector& selector, const Task& task);

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
