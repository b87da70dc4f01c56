// Policies as plain data: what the text (or the API) says, checked, before anything is compiled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "policy/signals.h"

namespace pinwarden {

// A policy may list no more than this: every path prefix costs an entry for each mount below it, and every value of a
// selector is compared with every pin of a file.
inline constexpr std::size_t kMaxPathPrefixes = 64;
inline constexpr std::size_t kMaxSelectorValues = 256;
// What a hold's timeout may be.
inline constexpr Nanoseconds kMinHoldTimeout = 100'000'000;
inline constexpr Nanoseconds kMaxHoldTimeout = 3'600'000'000'000;

enum class Mode : std::uint8_t { kMonitor, kEnforce, kOff };
enum class Operation : std::uint8_t {
    kTruncate,
    kPunchHole,
    kCollapseRange,
    kZeroRange,
    kInsertRange,
    kMadvRemove,
    kUmount,
    // What nothing can stop: see is_invalidation().
    kMunmap,
    kMmapFixed,
    kMremap,
    kMadvDontneed,
    kMadvGuard,
    kInvalidate,
};
enum class Unresolved : std::uint8_t { kDeny, kAllow, kHold };
// What becomes of an operation that is not, or no longer, held.
enum class Outcome : std::uint8_t { kDeny, kAllow };
// What the kernel's side does while no daemon runs.
enum class Unattended : std::uint8_t { kRelease, kKeep };

// An inode by its number on its file system's device, as the kernel numbers it.
struct InodeId {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::uint64_t inode = 0;

    friend auto operator<=>(const InodeId&, const InodeId&) = default;
};

// Where the file is: any entry of `path_prefixes`, `mounts` and `inodes` will do.
struct FileSelector {
    std::vector<std::string> path_prefixes = {};  // absolute, normalised, no trailing slash
    std::vector<std::string> mounts = {};         // the same, of places something is mounted at: that alone
    std::vector<InodeId> inodes = {};             // whatever they are called
    std::vector<std::string> filesystems = {};

    [[nodiscard]] bool anywhere() const { return path_prefixes.empty() && mounts.empty() && inodes.empty(); }

    friend bool operator==(const FileSelector&, const FileSelector&) = default;
};

struct PinSelector {
    std::vector<std::string> drivers = {};
    std::uint64_t min_bytes = 0;
    Nanoseconds min_age = 0;
    std::optional<bool> long_term = {};  // whether it was pinned with FOLL_LONGTERM; nothing: either

    friend bool operator==(const PinSelector&, const PinSelector&) = default;
};

// Processes, by what each given list says of them.
struct ProcessSelector {
    std::vector<std::uint32_t> uids = {};
    std::vector<std::string> comms = {};
    std::vector<std::string> cgroups = {};   // paths from the root of the cgroup tree: these and all below, normalised
    std::vector<std::string> binaries = {};  // absolute paths of the programs they run, normalised
    std::vector<std::string> containers = {};  // ids as their runtimes put them into cgroup paths, whole

    [[nodiscard]] bool any() const
    {
        return uids.empty() && comms.empty() && cgroups.empty() && binaries.empty() && containers.empty();
    }

    friend bool operator==(const ProcessSelector&, const ProcessSelector&) = default;
};

// The caller of the operation waits, stopped, until the pins in its way are gone, or that long.
struct Hold {
    Nanoseconds timeout = 10'000'000'000;
    Outcome on_timeout = Outcome::kDeny;
    Outcome fallback = Outcome::kDeny;  // where the caller cannot be held: kernel threads, io_uring, init
    std::optional<Revoke> revoke = {};  // how owners of those pins are made to let go; nothing: they are left alone

    friend bool operator==(const Hold&, const Hold&) = default;
};

struct Policy {
    std::string name;
    Mode mode = Mode::kMonitor;
    std::vector<Operation> operations;
    FileSelector file;
    PinSelector pin;
    ProcessSelector owner;        // of the pins
    ProcessSelector caller = {};  // of the operation
    // The action: `hold`, `signal`, `notify`, or else to deny.
    int deny_errno = 0;  // positive: of a deny, and of whatever a hold ends with that is no allow
    std::optional<Hold> hold = {};
    std::optional<SignalAction> signal = {};
    bool notify = false;  // tells who listens, and no more
    Unresolved unresolved = Unresolved::kDeny;
    Unattended when_unattended = Unattended::kRelease;
    std::string source;  // where it came from: a file's path, or "grpc"

    // Whether which pins it concerns depends on more than the file: then only the ledger can tell.
    [[nodiscard]] bool selects_pins() const;
    // Whether it lets the operation go ahead in any case.
    [[nodiscard]] bool goes_ahead() const { return signal.has_value() || notify; }

    friend bool operator==(const Policy&, const Policy&) = default;
};

// Whether it takes pages from addresses, and no hook could fail it: only signals and notices answer to that.
bool is_invalidation(Operation operation);
// What a policy with that action does about a pin it has not yet seen, unless it says otherwise.
Unresolved default_unresolved(const Policy& policy);

std::string_view to_string(Mode mode);
std::string_view to_string(Operation operation);
std::string_view to_string(Unresolved unresolved);
std::string_view to_string(Outcome outcome);
std::string_view to_string(Unattended unattended);
// "EBUSY" for 16; "errno 999" for one without a name. And back: nothing for an unknown name, or for one that the kernel
// uses only within itself (ERESTART): the message suggests a near one. Knows the aliases EWOULDBLOCK, ENOTSUP,
// EDEADLOCK.
std::string errno_name(int error);
Result<int> errno_from_name(std::string_view name);

// "/a//./b/" → "/a/b". Error for what is empty, not absolute, too long, or has ".." in it: what that means depends on
// symbolic links, and is better said outright.
Result<std::string> normalise_path_prefix(std::string_view path);

// "8:17/4711" → device 8:17, inode 4711. And back.
Result<InodeId> parse_inode(std::string_view text);
std::string to_string(const InodeId& inode);

// Whether `path` is `prefix` or lies below it; both absolute and normalised.
bool at_or_below(std::string_view path, std::string_view prefix);

// What is wrong with a policy: the field as "match.file.path_prefixes[1]", and what about it, with a hint.
struct PolicyProblem {
    std::string field;
    std::string what;
};

// Checks what no single field's type can tell: name, at least one operation, prefixes absolute and normalised, at most
// four file systems, nothing listed twice, one action, one that can be done about each operation, an errno an operation
// can fail with, a hold that is neither too short nor too long, a revoke that sends something and is over when the hold
// is, signals that can be sent, and nothing left to the kernel's side that only the daemon can do. Nothing when all is
// well.
std::optional<PolicyProblem> find_problem(const Policy& policy);
// The same as a result: "FIELD: what", code EINVAL.
Result<void> validate(const Policy& policy);

}  // namespace pinwarden
