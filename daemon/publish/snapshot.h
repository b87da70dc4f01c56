// What the daemon shows, by value: the pipeline thread builds these, the serving threads read them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "act/audit_log.h"
#include "act/process_signals.h"
#include "act/revocation.h"
#include "act/revoker.h"
#include "base/clock.h"
#include "base/result.h"
#include "correlate/conflict.h"
#include "ledger/audit.h"
#include "ledger/ledger.h"
#include "ledger/notifier_table.h"
#include "policy/policy_set.h"
#include "publish/dry_run_view.h"
#include "publish/histogram.h"

namespace pinwarden {

struct PinFilter;

struct HookState {
    std::string name;     // kernel function or tracepoint
    std::string purpose;  // acquire, release, operation, lifecycle
    bool attached = false;
    std::string reason;  // why not
    std::uint64_t missed = 0;
    bool needed = true;        // false: not attached because nothing needs it now
    bool available = true;     // false: not attached because this kernel has no such function, or another one serves
    std::uint64_t runs = 0;    // only while the kernel's statistics of BPF programs are on
    Nanoseconds run_time = 0;  // the same: how long these took
};

struct LossState {
    std::string cause;  // label value of pinwarden_events_lost_total
    std::uint64_t count = 0;
    bool affects_ledger = false;
};

struct PolicyState {
    Policy policy;
    std::string state;   // active, monitoring, off, pending, degraded, refused
    std::string reason;  // empty when there is nothing to explain
    PolicyCounters counters;
};

struct FileName {
    std::string path;
    std::string filesystem;
    bool deleted = false;
};

// A pin ready to be shown: its record, its files' names, its stack as symbols. No kernel addresses.
struct PinView {
    PinRecord pin;  // `stack` and `mm` cleared
    std::map<FileKey, FileName> files;
    std::vector<std::string> stack;
    std::string driver_frame;  // that of `stack` which is the driver's, or empty
};

// A process that may hold a pin: it has a file open through which such pins are held.
struct ProcessHolder {
    std::uint32_t pid = 0;
    std::string comm;
    std::uint32_t uid = 0;
    std::string file;  // what it is called in /proc/PID/fd
};

struct Holders {
    std::map<pw_scope_kind, std::vector<ProcessHolder>> by_kind;
    bool complete = true;  // all open files of all processes were looked at
};

// Finds them. The real one looks through /proc; called on a serving thread.
class HolderSearch {
public:
    HolderSearch() = default;
    HolderSearch(const HolderSearch&) = delete;
    HolderSearch& operator=(const HolderSearch&) = delete;
    virtual ~HolderSearch() = default;

    virtual Holders find(const std::set<pw_scope_kind>& kinds) = 0;
};

// Of a base page.
std::uint64_t page_bytes();

// What kind of object the pin was made for: as its driver's own functions told, else as the driver's name suggests.
pw_scope_kind object_kind(const PinRecord& pin);

// Some of the ledger's pins.
struct PinBatch {
    std::vector<PinView> pins = {};  // in order of id
    std::optional<PinId> next = {};  // where to go on; nothing: that was all
    bool ledger_certain = true;
    std::uint64_t lost = 0;             // events, since the start, that made the ledger incomplete
    std::uint64_t ambiguous_pages = 0;  // since the start
    Nanoseconds taken = 0;
    Nanoseconds boot_to_unix = 0;
};

struct ConflictView {
    Conflict conflict;   // its pins' stacks and mms cleared
    std::string policy;  // name of the deciding one, or empty
    std::string reason;
    std::uint64_t hold = 0;  // number of the hold, or 0
};

// An operation whose caller is held.
struct HoldView {
    std::uint64_t id = 0;
    ConflictView conflict;  // with the pins that are in its way now
    Nanoseconds since = 0;  // when it was first held
    Nanoseconds deadline = 0;
    std::uint64_t asked = 0;          // times the caller asked, the first included
    std::optional<Outcome> released;  // by somebody, and not yet gone on
};

struct HoldsView {
    std::vector<HoldView> holds;  // oldest first
    Nanoseconds taken = 0;
    Nanoseconds boot_to_unix = 0;
};

// What a hold ends with: see WatchEventsResponse.outcome in the API.
inline constexpr std::array<std::string_view, 9> kHoldOutcomes{"pins_gone",       "allowed",        "denied",
                                                               "timed_out_allow", "timed_out_deny", "decided",
                                                               "abandoned",       "let_go_allow",   "let_go_deny"};

// What release_hold() fails with when `id` is none of these: code ENOENT, and a message that tells which there are.
Error no_such_hold(std::uint64_t id, const std::vector<HoldView>& holds);

// An invalidation that met pins, ready to be shown.
struct InvalidationView {
    std::string operation;
    Task caller;
    AddressRange range;  // that met pins
    std::uint64_t bytes = 0;
    std::vector<PinView> pins;
    pw_verdict verdict = PW_VERDICT_ALLOW;
    std::string policy = {};  // that decided; empty: none did
    std::string reason = {};
};

// Who has a pin that an audit found to differ.
struct PinHolder {
    Task owner;
    std::string driver;
};

// The kernel's own sums of /proc/vmstat, since boot: approximate, short-term pins included.
struct KernelPins {
    std::uint64_t acquired = 0;
    std::uint64_t released = 0;
};

// What an audit found, ready to be shown: page numbers stay inside.
struct AuditView {
    AuditReport report;
    bool certain = false;  // the ledger, afterwards
    std::map<FileKey, FileName> files;
    std::map<PinId, PinHolder> holders;
    KernelPins kernel_pins;
    Nanoseconds boot_to_unix = 0;
};

// Over all audits since the start, in pins on pages; unsettled as the last one left it.
struct AuditCounters {
    std::uint64_t runs = 0;
    std::uint64_t missing_pins = 0;
    std::uint64_t surplus_pins = 0;
    std::uint64_t adopted_pins = 0;
    std::uint64_t dropped_pins = 0;
    std::uint64_t unsettled_folios = 0;
};

// For whoever waits for an audit: told when it is further than before; asked from time to time whether it is still
// wanted. Empty ones are not called.
struct AuditWatch {
    std::function<void(const AuditProgress&)> progress = {};
    std::function<bool()> wanted = {};
};

struct Snapshot {
    std::string version;
    std::string kernel_release;
    std::uint32_t daemon_pid = 0;
    Nanoseconds taken = 0;
    Nanoseconds started = 0;
    Nanoseconds boot_to_unix = 0;
    std::vector<HookState> hooks;
    std::vector<LossState> losses;
    std::vector<std::string> notices;
    bool ledger_certain = true;
    std::uint64_t pin_count = 0;
    std::uint64_t pinned_bytes = 0;
    std::uint64_t notifiers = 0;  // on-demand ranges and others
    std::uint64_t on_demand_ranges = 0;
    std::uint64_t on_demand_bytes = 0;
    std::uint64_t holds = 0;  // operations held now
    std::vector<PolicyState> policies;
    std::uint64_t policy_generation = 0;
};

// Who listens to an address space, ready to be shown.
struct NotifiersView {
    std::vector<NotifierRecord> notifiers;  // oldest first
    Nanoseconds taken = 0;
    Nanoseconds boot_to_unix = 0;
};

// Bounds in seconds. A hold takes as long as its policy says, an hour at most.
inline constexpr std::array kOrphanReleaseBounds{0.001, 0.01, 0.1, 1.0, 10.0, 30.0, 60.0, 300.0};
inline constexpr std::array kHoldBounds{0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0};
inline constexpr std::array kLifetimeBounds{0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0, 604800.0};

// Numbers for /metrics. Counters only grow while the daemon runs. Label values come from bounded sets.
struct MetricsSnapshot {
    std::string version;
    std::string kernel_release;
    absl::btree_map<std::pair<std::string, Backing>, PinTotals> totals;  // driver, backing
    std::map<std::string, std::uint64_t> pins_acquired;                  // by driver
    std::map<std::string, std::uint64_t> pins_released;                  // by driver, when the last page is let go
    std::map<std::pair<std::string, int>, std::uint64_t> pins_failed;    // by driver and positive errno
    std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> conflicts;  // operation, driver, verdict
    absl::btree_map<std::string, OrphanTotals> orphans;                                    // by driver
    std::array<std::uint64_t, kPinAges.size() + 1> pins_by_age{};  // younger than each, and than none
    Histogram pin_lifetimes{kLifetimeBounds};                      // of pins whose last page was let go
    std::uint64_t adopted_pins = 0;
    std::vector<std::pair<std::string, std::uint64_t>> cgroup_bytes = {};  // by cgroup, most first; those asked for
    // By operation and verdict: each once, whatever it met.
    std::map<std::pair<std::string, std::string>, std::uint64_t> operations;
    struct PolicyDecisions {
        std::string policy;
        std::uint64_t decided = 0;
        std::uint64_t would_have = 0;
    };
    std::vector<PolicyDecisions> policy_decisions = {};  // in the order of evaluation
    Nanoseconds reader_lag = 0;                          // how long a record waited to be read, at most, lately
    std::uint64_t ring_used = 0;                         // bytes, at most, lately
    std::uint64_t ring_size = 0;
    struct Table {
        std::string name;
        std::uint64_t entries = 0;
        std::uint64_t most = 0;
    };
    std::vector<Table> tables = {};
    std::uint64_t subscribers = 0;
    std::uint64_t subscriber_events_dropped = 0;
    KernelPins kernel_pins;
    Nanoseconds oldest_orphan = 0;                    // since the Unix epoch; 0: there is none
    Histogram orphan_releases{kOrphanReleaseBounds};  // from the owner's exit to the last page let go
    std::uint64_t holds_in_flight = 0;
    std::map<std::string, std::uint64_t> holds_ended;  // by outcome
    Histogram hold_durations{kHoldBounds};             // of those that ended
    std::map<std::string, std::uint64_t> signals;      // by to_string(ActOutcome)
    std::map<std::string, std::uint64_t> revocations;  // that ended, by to_string(RevocationEnd)
    // From the last signal sent to a process to its last pin in the way being gone.
    Histogram revocation_releases{kHoldBounds};
    std::map<std::string, NotifierTotals> notifiers;  // by driver
    std::vector<LossState> losses;
    std::vector<HookState> hooks;
    std::uint64_t unmatched_releases = 0;
    std::uint64_t ambiguous_releases = 0;
    bool ledger_certain = true;
    AuditCounters audits;
    std::uint64_t policies_active = 0;
    std::uint64_t policies_monitoring = 0;
    std::uint64_t policies_pending = 0;
    std::uint64_t policies_off = 0;
    std::uint64_t policies_refused = 0;
    std::uint64_t policies_limited = 0;    // in monitor mode for having sent too many signals
    std::uint64_t audit_log_left_out = 0;  // denials and holds without a record
};

// A call that wanted to pin pages for long and could not.
struct FailedPin {
    Nanoseconds time = 0;
    Task owner;
    std::string driver;
    pw_function function = PW_FUNCTION_UNKNOWN;
    std::uint64_t address = 0;
    std::uint64_t pages = 0;  // wanted
    bool writable = false;
    int error = 0;                   // positive errno
    std::vector<std::string> stack;  // no kernel addresses
};

struct FailureList {
    std::vector<FailedPin> failures;  // oldest first, the last ones only
    std::uint64_t total = 0;          // since the start
    Nanoseconds taken = 0;
    Nanoseconds boot_to_unix = 0;
};

// One thing that happened.
struct PinnedNotice {
    PinView pin;
};
struct ReleasedNotice {
    PinView pin;
    std::uint64_t bytes = 0;
    bool fully = false;
    ReleaseRule rule = ReleaseRule::kOnlyHolder;
};
struct ConflictNotice {
    ConflictView conflict;
};
struct FailedNotice {
    FailedPin failure;
};
struct OrphanedNotice {
    PinView pin;
};
struct LeakNotice {
    PinView pin;
};
struct InvalidationNotice {
    InvalidationView invalidation;
};
struct HoldEndedNotice {
    HoldView hold;
    std::string outcome;  // one of kHoldOutcomes
    Nanoseconds held = 0;
};
// A process was signalled, or was to be and was not.
struct SignalNotice {
    std::string policy;
    std::string operation;
    std::string path;  // of the file; empty: not known
    ActReport report;
};
// A revocation began or ended.
struct RevocationNotice {
    std::string policy;
    std::string operation;
    std::string path;                       // the same
    std::optional<RevocationEnd> end = {};  // nothing: it began
    std::vector<Revocation::Victim> victims = {};
    std::map<ProcessId, ProcessFacts> known = {};  // what the reports told of them, of those it told anything of
    std::uint64_t id = 0;                          // its number
};
struct Notice {
    Nanoseconds time = 0;
    Nanoseconds boot_to_unix = 0;
    std::variant<PinnedNotice, ReleasedNotice, ConflictNotice, FailedNotice, OrphanedNotice, LeakNotice,
                 InvalidationNotice, HoldEndedNotice, SignalNotice, RevocationNotice>
        what;
};

// What the API asks of the pipeline. Every call is made from a serving thread and runs on the pipeline thread; the
// caller waits, at most for the given time, and gets an Error with code ETIMEDOUT otherwise. Error code EINVAL means
// the request is at fault, ENOENT that the named thing does not exist, ESHUTDOWN that the daemon is stopping.
class Pipeline {
public:
    Pipeline() = default;
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;
    virtual ~Pipeline() = default;

    virtual Result<Snapshot> snapshot() = 0;
    // Of the pins that concern anybody, those with an id of `from` and above that the filter's matches() takes; as many
    // as it can find without keeping the pipeline from its work.
    virtual Result<PinBatch> pins(const PinFilter& filter, PinId from) = 0;
    virtual Result<MetricsSnapshot> metrics() = 0;
    virtual Result<FailureList> failures() = 0;
    // Unlike the others on the caller's own thread: it looks through all processes.
    virtual Holders may_hold(const std::set<pw_scope_kind>& kinds) = 0;
    virtual Result<NotifiersView> notifiers() = 0;
    virtual Result<HoldsView> holds() = 0;
    // Error ENOENT: see no_such_hold().
    virtual Result<void> release_hold(std::uint64_t id, Outcome outcome, const Requester& asked_by) = 0;
    // The process that asks, by `asked_by.pid`, which is not 0, says what it is going to do about a revocation. Error
    // ENOENT: there is none of that number, or it has ended; EPERM: it is not about that process; EUSERS: that process
    // has changed its mind too often.
    virtual Result<void> acknowledge(std::uint64_t revocation, RevocationIntent intent, const Requester& asked_by) = 0;
    // May take as long as walking all of memory does; its time limit is minutes. `watch` is called on the caller's own
    // thread, at most ten times a second. Error ECANCELED: it is not wanted any more.
    virtual Result<AuditView> audit(const AuditOptions& options, const AuditWatch& watch) = 0;
    // All return the generation in force afterwards. Error ESTALE: that is not `if_generation`, where one is given;
    // nothing was changed then.
    virtual Result<std::uint64_t> apply(std::vector<Policy> policies, bool validate_only, const Requester& asked_by,
                                        std::optional<std::uint64_t> if_generation) = 0;
    virtual Result<std::uint64_t> remove(std::string name, const Requester& asked_by,
                                         std::optional<std::uint64_t> if_generation) = 0;
    virtual Result<std::uint64_t> set_mode(std::string name, Mode mode, const Requester& asked_by,
                                           std::optional<std::uint64_t> if_generation) = 0;
    // Changes nothing. Error ENOENT: there is no such file; EINVAL: the question makes no sense.
    virtual Result<DryRunView> test(DryRunQuestion question) = 0;
};

}  // namespace pinwarden
