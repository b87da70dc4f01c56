// The pipeline: decode → ledger → correlate → policy → act → publish, one record after the other. Pure: it knows the
// kernel only through the interfaces it is given, so that tests can drive all of it with synthetic records.
#pragma once

#include <absl/container/btree_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "act/enforcer.h"
#include "act/file_room.h"
#include "act/holds.h"
#include "act/revocations.h"
#include "app/failure_log.h"
#include "app/known_drivers.h"
#include "app/losses.h"
#include "app/owner_check.h"
#include "app/policy_origins.h"
#include "base/clock.h"
#include "base/recent_peak.h"
#include "correlate/conflict.h"
#include "correlate/invalidation.h"
#include "decode/decoder.h"
#include "ledger/audit.h"
#include "ledger/driver.h"
#include "ledger/ledger.h"
#include "ledger/notifier_table.h"
#include "ledger/owner_names.h"
#include "ledger/process_table.h"
#include "policy/decide.h"
#include "policy/policy_store.h"
#include "publish/conflict_history.h"
#include "publish/fanout.h"
#include "publish/snapshot.h"

namespace pinwarden {

// Everything the pipeline needs from outside; all must outlive it.
struct Surroundings {
    const Clock& clock;
    VerdictSink& verdicts;
    HoldSink& holds;
    ProcessSignals& signals;
    AuditLog& audit_log;
    PathResolver& paths;
    PageTruth& truth;
    ProcessTable& processes;
    OwnerSearch& owners;
    StackNamer& names;
    CgroupNamer& cgroups;
    Fanout& fanout;
    std::function<void(const std::string&)> log_warning;
    std::function<std::uint64_t()> memory_in_use = {};  // bytes; nothing: it is not limited
    PolicyStore* policies = nullptr;                    // where they are kept; nullptr: nowhere
    ConflictHistory* conflicts = nullptr;               // where they are remembered; the same
    FileEntries* files = nullptr;                       // the kernel's table of them; nullptr: nobody makes room in it
};

// What the kernel side knows about itself, read from time to time.
struct KernelHealth {
    KernelCounters counters{};
    std::vector<HookState> hooks;
    MissedCalls missed;
    KernelPins pins;
    std::uint64_t files = 0;    // in the table of files with pins
    bool switched_off = false;  // no hook on a kernel function runs
    std::uint64_t times_switched_off = 0;
};

struct EngineOptions {
    Nanoseconds leak_after = 30'000'000'000;        // an orphan is a leak from then on
    Nanoseconds long_lived_after = 10'000'000'000;  // a pin without FOLL_LONGTERM is shown from then on
    // Every pin must have been followed by its object for that long before the functions that release pages are
    // listened to no more; 0: they always are.
    Nanoseconds quiet_after = 30'000'000'000;
    std::uint64_t memory_limit = 512U << 20U;     // bytes the daemon may use, as far as that depends on what is pinned
    bool track_short_term = false;                // all pins are recorded
    std::size_t cgroup_metrics = 0;               // so many of the cgroups that hold most are told of in metrics
    ProtectedProcesses protected_processes = {};  // nobody signals these
};

// Owned by one thread.
class Engine {
public:
    Engine(Surroundings surroundings, PageGeometry geometry, std::string kernel_release, EngineOptions options = {});

    // Before a batch of records is read: how much of the ring is taken, and how large it is, in bytes.
    void reads(std::uint64_t ring_used, std::uint64_t ring_size);
    // One record from the ring, in order.
    void step(std::span<const std::byte> record);
    // After a batch of records: tells the kernel what changed, and the subscribers what happened.
    void flush();
    // From time to time, and when next_tick() is due: losses, policies that depend on time or on mounts.
    void tick();
    // The same with what became known of the kernel's side; before it is asked for, and when something was lost.
    void tick(KernelHealth health);
    // When tick() has something to do, if that is before the next regular one.
    [[nodiscard]] std::optional<Nanoseconds> next_tick() const;

    // The first: those of files, with the modes an operator has set for them, then what was kept. An
    // error is about the files; what was kept and cannot be put in force is refused, and said to be.
    Result<void> start_policies(const std::vector<Policy>& files);
    // What enforces more than before is recorded and kept before it is in force, and not changed when it cannot be;
    // what enforces less is done in any case. On any error what was in force stays. Without `asked_by` it is the
    // daemon's own doing.
    // With `if_generation`: error ESTALE, and nothing is changed, when another generation is in force.
    Result<std::uint64_t> apply(const std::vector<Policy>& policies, bool validate_only,
                                std::optional<Requester> asked_by = {},
                                std::optional<std::uint64_t> if_generation = {});
    Result<std::uint64_t> remove(const std::string& name, std::optional<Requester> asked_by = {},
                                 std::optional<std::uint64_t> if_generation = {});
    // Also of one that was refused: it is tried once more. Error ENOENT: there is none of that name.
    Result<std::uint64_t> set_mode(const std::string& name, Mode mode, std::optional<Requester> asked_by = {},
                                   std::optional<std::uint64_t> if_generation = {});
    // What would happen now, see policy/dry_run.h. Changes nothing.
    Result<DryRunView> test(const DryRunQuestion& question);
    // The files were read again: what they say is put in force, together with what operators did, in one generation,
    // and the options' times and protected processes are used from now on (track_short_term stays). All or nothing: on
    // an error nothing has changed. Returns which policies come, go, or are others than before.
    Result<std::vector<PolicyChange>> reload(const std::vector<Policy>& files, EngineOptions options);
    // What is to be said of the last reload, in place of what was said of the one before.
    void set_reload_notices(std::vector<std::string> notices) { reload_notices_ = std::move(notices); }
    void mounts_changed();
    // Makes room in the kernel's table of files with pins. To be called from time to time while it is wanted, when what
    // was in the ring is read.
    void make_room();
    [[nodiscard]] bool wants_room() const { return room_ && room_->wanted(); }

    // To be called all the time: without it, nobody is held.
    void attend();
    // Continues whom it is time for.
    void step_holds();
    // When step_holds() has something to do; nothing while nobody is held.
    [[nodiscard]] std::optional<Nanoseconds> next_hold_step() const;
    // Nobody is held from now on, and who is, is let go. Whether nobody is left.
    bool stop_holding();

    // Everything is attached: from now on it is for the engine to say which hooks are needed.
    void follow();

    // Asks for an audit; it runs in steps, one request after the other. All that is given is called on the pipeline
    // thread. Who does not want it any more gets an Error with code ECANCELED, unless it repairs and has begun.
    using AuditDone = std::function<void(const Result<AuditView>&)>;
    void audit(AuditOptions options, AuditDone done, AuditWatch watch = {});
    // Looks through all of memory for pins from before the start, once what is pinned from now on is seen. What
    // `former` knows of them is known here then, too; it must live until `done` is called, on the pipeline thread.
    void adopt_what_is_pinned(std::function<void()> done = {}, FormerPins* former = nullptr);
    // Does a part of the audit that is under way, if it is due. To be called when the ring is empty.
    void step_audit();
    // When step_audit() has something to do; nothing while there is no audit.
    [[nodiscard]] std::optional<Nanoseconds> next_audit_step() const;

    [[nodiscard]] Snapshot snapshot();
    [[nodiscard]] PinBatch pins(const PinFilter& filter, PinId from);
    [[nodiscard]] MetricsSnapshot metrics() const;
    [[nodiscard]] FailureList failures() const;
    [[nodiscard]] NotifiersView notifiers() const;
    [[nodiscard]] HoldsView holds() const;
    // Error: see no_such_hold(); or it could not be recorded, and was not done.
    Result<void> release_hold(std::uint64_t id, Outcome outcome, std::optional<Requester> asked_by = {});
    // Whoever asks, by its pid, says what it is going to do about a revocation; see Revocations::acknowledge().
    Result<void> acknowledge(std::uint64_t id, RevocationIntent intent, const Requester& asked_by);

    [[nodiscard]] const Ledger& ledger() const { return ledger_; }
    [[nodiscard]] std::uint64_t policy_generation() const { return enforcer_.generation(); }
    // In the order of their slots.
    [[nodiscard]] std::vector<std::string> policy_names() const;
    // Losses on the kernel's side that the ledger is known to lack, or was mended after.
    [[nodiscard]] std::uint64_t kernel_losses() const { return kernel_losses_; }
    // An operation that was decided while no daemon was there to hear of it, by a policy of that name or none.
    void tell_unattended(Conflict conflict, const std::string& policy);
    // Of a recording: all is told that was pinned when it began, by records of pins and of those pages that were pinned
    // still. `certain`: whether the daemon that recorded was, of that.
    void start_is_told(bool certain);
    // Said once, however often it is added.
    void add_notice(std::string notice);

private:
    void on(PinEvent& event);
    void on_failed(const PinEvent& event);
    void take_over(PinEvent& event, const PinRecord& former);
    void on(const RangeEvent& event) { ledger_.range(event); }
    void on(const PagesEvent& event);
    void on(UserStackEvent& event) { ledger_.user_stack(event); }
    void on(const ReleaseEvent& event);
    void on(FileEvent& event);
    void on(OperationEvent& event);
    // What the kernel's side let go ahead in doubt, by what is known by now.
    void settle(OperationEvent& event) const;
    void signal_about(const OperationEvent& event, const Conflict& conflict);
    void signal_about(const InvalidationConflict& conflict, const Policy& policy, const std::vector<PinRecord>& pins);
    void on(InvalidationEvent& event);
    void on(NotifierEvent& event);
    void on(const HoldEndEvent& event);
    void on(const ExitEvent& event);
    void on(const OwnerEvent& event) { owners_.runs(event); }
    void on(const RenameEvent& event) { ledger_.rename(event); }
    void look_after_owners();
    [[nodiscard]] Conflict conflict_of(const OperationEvent& operation) const;
    [[nodiscard]] HoldView view_hold(const Holds::Held& held) const;
    void step_revocations();
    void tell(RevocationNews news);
    void tell_end(const EndedRevocation& ended);
    void degrade(const std::string& name);
    // Does `act` between the two halves of its record. With `only_with_record` it is not done without the first.
    Result<void> on_record(const AuditEntry& entry, bool only_with_record, const std::function<Result<void>()>& act);
    [[nodiscard]] HoldEntry hold_entry(const Conflict& conflict) const;
    void record_decision(const Conflict& conflict);
    void record_hold_end(const OperationEvent& operation, const HoldEndEvent& event, Nanoseconds lasted);
    void look_at_record(const Result<void>& recorded);
    void tell_unrecorded(const Error& error);
    [[nodiscard]] Result<void> put_in_force(const std::vector<Policy>& policies);
    [[nodiscard]] Result<void> put_on_record(const std::vector<Policy>& policies);
    Result<std::uint64_t> change(const PolicyEntry& entry, PolicyOrigins next, bool more,
                                 const std::function<Result<void>()>& put);
    [[nodiscard]] Result<void> keep_and_put(const PolicyOrigins& next, bool more,
                                            const std::function<Result<void>()>& put);
    [[nodiscard]] PolicyEntry entry_for(const std::string& action, std::vector<PolicyChange> changes,
                                        std::optional<Requester> asked_by) const;
    [[nodiscard]] Result<void> keep(const PolicyOrigins& origins) const;
    void keep_anyway(const PolicyOrigins& origins, const std::string& what);
    [[nodiscard]] Result<void> start_files(const std::vector<Policy>& files);
    void start_kept();
    [[nodiscard]] std::vector<Policy> policies_by(const PolicyOrigins& origins) const;
    [[nodiscard]] Result<void> exchange_policies(const std::vector<Policy>& wanted,
                                                 const std::vector<PolicyChange>& changes);
    [[nodiscard]] Result<void> expect_generation(std::optional<std::uint64_t> wanted) const;
    [[nodiscard]] Result<Policy> find_policy(const std::string& name) const;
    void tell_operator(const std::string& what);
    void preview_signals(const Conflict& conflict, const Policy& policy, DryRunView& view);
    [[nodiscard]] Result<PolicySet> policies_to_test(const DryRunQuestion& question) const;
    void end_hold(const Holds::Held& held, const HoldEndEvent& event);
    void look_for_long_lived();
    void record_files(PinId id);
    void look_after_losses();
    void look_after_memory();
    void look_after_cgroups();
    void tell_changed_files();
    void look_after_switch();
    void tell_certainty();
    void tell_by_folio(bool on);
    [[nodiscard]] bool repairs() const;
    [[nodiscard]] bool pages_are_told() const;
    void doubt_ledger();
    void look_after_releases();
    void hear_releases();
    void look_for_old_pins();

    void count_conflict(std::string_view operation, const std::vector<PinRecord>& pins, pw_verdict verdict);
    // Policies were exchanged, or are gone.
    void policies_changed(const std::vector<std::string>& names);
    void start_audit();
    void drop_unwanted_audits();
    void tell_waiting_audits() const;
    void log_differences(const AuditReport& report);
    void finish_audit(const Result<void>& result);
    void mend_ledger();
    [[nodiscard]] AuditView view_audit(const AuditReport& report) const;
    void announce_pins();
    void announce(Nanoseconds time, decltype(Notice::what) what);
    void warn(const Result<void>& result);
    [[nodiscard]] std::vector<LossState> losses() const;
    [[nodiscard]] std::vector<PolicyState> policy_states() const;

    Surroundings around_;
    EngineOptions options_;
    Decoder decoder_;
    Ledger ledger_;
    KnownDrivers drivers_;
    OwnerNames owners_;
    NotifierTable notifiers_;
    Enforcer enforcer_;
    std::optional<FileRoom> room_;
    Holds holds_;
    TokenBuckets buckets_;
    Revoker revoker_;
    Revocations revocations_;
    Nanoseconds next_revocation_step_ = 0;
    PolicyOrigins origins_;
    std::map<std::string, std::string> degraded_;  // policies that were put into monitor mode, and why
    KernelHealth health_;
    DaemonLosses daemon_losses_;
    std::uint64_t losses_told_ = 0;
    std::uint64_t told_unfollowed_gone_ = 0;
    std::uint64_t kernel_losses_ = 0;  // as the kernel's side decides by it
    std::uint64_t other_losses_ = 0;   // what that side does not know of
    std::uint64_t blind_looks_ = 0;    // that found the hooks switched off, or on for the first time after that
    std::optional<std::uint64_t> told_complete_ = 0;
    bool revocations_waiting_ = false;  // something happened since the last step
    bool switched_off_ = false;
    bool full_ = false;          // the memory limit is reached: no more pins are followed
    bool holds_nobody_ = false;  // and that was said
    bool by_folio_ = false;      // whether releases are told by folio, because
    PinId last_vague_pin_ = 0;   // up to this one, pins may be on other pages of their folios

    struct AuditRequest {
        AuditOptions options;
        AuditDone done;
        AuditWatch watch;
    };
    std::deque<AuditRequest> audits_;  // the first is under way when audit_ is there
    std::optional<Audit> audit_;
    Nanoseconds next_audit_step_ = 0;
    std::uint64_t losses_before_audit_ = 0;
    bool complete_before_audit_ = true;
    bool heard_before_audit_ = true;
    bool follows_ = false;
    bool heard_ = true;          // whether releases of pages are
    std::uint64_t unheard_ = 0;  // so many are mended, or in doubt
    Nanoseconds quiet_since_ = 0;
    Nanoseconds next_hearing_ = 0;
    Nanoseconds lost_last_ = 0;  // when it was noticed that something was lost
    Nanoseconds next_repair_ = 0;
    Nanoseconds next_sample_ = 0;
    AuditCounters audit_counters_;
    std::map<PinId, Task> inferred_;         // owners of pins that were adopted and are not here yet
    std::map<PinId, PinRecord> taken_over_;  // what the daemon before knew of such pins
    FormerPins* former_ = nullptr;           // while they are looked for
    std::string kernel_release_;
    Nanoseconds started_;
    std::vector<std::string> notices_;
    std::vector<std::string> reload_notices_;
    Nanoseconds next_record_warning_ = 0;  // of denials and holds that cannot be recorded
    bool unrecorded_told_ = false;         // that something was done without its record

    // Pins whose page lists may still be coming: they are announced when they are complete.
    absl::btree_map<PinId, Nanoseconds> unannounced_;
    std::map<std::string, std::uint64_t> acquired_;
    std::map<std::string, std::uint64_t> released_;
    FailureLog failures_;
    OwnerCheck owner_check_;
    Histogram orphan_releases_{kOrphanReleaseBounds};
    Histogram hold_durations_{kHoldBounds};
    std::map<std::string, std::uint64_t> holds_ended_;
    std::map<std::string, std::uint64_t> signals_;            // by outcome
    std::map<std::string, std::uint64_t> revocations_ended_;  // by outcome
    Histogram revocation_releases_{kHoldBounds};
    std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> conflicts_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> operations_;  // that met pins, by verdict
    Histogram pin_lifetimes_{kLifetimeBounds};
    RecentPeak lag_;
    RecentPeak ring_used_;
    std::uint64_t ring_size_ = 0;
    bool first_of_batch_ = false;
};

}  // namespace pinwarden
