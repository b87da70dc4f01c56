// What the tests of publish and cli share: a pipeline without a kernel, a folder for a socket, a few pins.
#pragma once

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "publish/pin_filter.h"
#include "publish/pin_list.h"
#include "publish/snapshot.h"

namespace pinwarden::test {

inline constexpr Nanoseconds kSecond = 1'000'000'000;
inline constexpr std::uint64_t kMiB = 1U << 20U;

class TemporaryFolder {
public:
    TemporaryFolder()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "pinwarden-test-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) {
            throw std::runtime_error("mkdtemp failed");
        }
        path_ = pattern;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

// As the engine does, from pins in order of id.
inline PinBatch batch_of(const std::vector<PinView>& pinned, const PinFilter& filter, PinId from,
                         std::size_t most = 1000)
{
    PinBatch batch{.taken = 130 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond};
    for (const PinView& view : pinned) {
        if (view.pin.id < from || !filter.matches(view.pin)) {
            continue;
        }
        if (batch.pins.size() == most) {
            batch.next = view.pin.id;
            break;
        }
        batch.pins.push_back(view);
    }
    return batch;
}

// Where pins come from that are given in order of id.
inline PinSource source_of(std::vector<PinView> pinned, std::size_t most = 1000)
{
    return [pinned = std::move(pinned), most](const PinFilter& filter, PinId from) -> Result<PinBatch> {
        return batch_of(pinned, filter, from, most);
    };
}

// What ListPins answers, 130 seconds after boot.
inline v1::ListPinsResponse listed(std::vector<PinView> pinned, const v1::ListPinsRequest& request = {},
                                   const Holders& holders = {})
{
    auto list = list_pins(request, source_of(std::move(pinned)), [&](const auto& /*kinds*/) { return holders; });
    if (!list) {
        throw std::runtime_error(list.error().message);
    }
    return std::move(*list);
}

// Answers with what it was given. `fails`, when set, is what every call answers.
class FakePipeline final : public Pipeline {
public:
    Result<Snapshot> snapshot() override
    {
        const std::scoped_lock lock(mutex);
        ++snapshots_asked;
        return fails ? Result<Snapshot>(std::unexpected(*fails)) : answer;
    }
    Result<PinBatch> pins(const PinFilter& filter, PinId from) override
    {
        const std::scoped_lock lock(mutex);
        return fails ? Result<PinBatch>(std::unexpected(*fails)) : batch_of(pinned, filter, from, batch_size);
    }
    Result<MetricsSnapshot> metrics() override
    {
        const std::scoped_lock lock(mutex);
        return fails ? Result<MetricsSnapshot>(std::unexpected(*fails)) : numbers;
    }
    Result<FailureList> failures() override
    {
        const std::scoped_lock lock(mutex);
        return fails ? Result<FailureList>(std::unexpected(*fails)) : failed;
    }
    Holders may_hold(const std::set<pw_scope_kind>& kinds) override
    {
        const std::scoped_lock lock(mutex);
        Holders asked_for;
        for (const pw_scope_kind kind : kinds) {
            asked_for.by_kind[kind] = holding[kind];
        }
        return asked_for;
    }
    Result<NotifiersView> notifiers() override
    {
        const std::scoped_lock lock(mutex);
        return fails ? Result<NotifiersView>(std::unexpected(*fails)) : listeners;
    }
    Result<HoldsView> holds() override
    {
        const std::scoped_lock lock(mutex);
        return fails ? Result<HoldsView>(std::unexpected(*fails)) : held;
    }
    Result<void> release_hold(std::uint64_t id, Outcome outcome, const Requester& asked_by) override
    {
        const std::scoped_lock lock(mutex);
        requester = asked_by;
        if (fails) {
            return std::unexpected(*fails);
        }
        const auto hold = std::ranges::find(held.holds, id, &HoldView::id);
        if (hold == held.holds.end()) {
            return std::unexpected(no_such_hold(id, held.holds));
        }
        hold->released = outcome;
        return {};
    }
    Result<void> acknowledge(std::uint64_t revocation, RevocationIntent intent, const Requester& asked_by) override
    {
        const std::scoped_lock lock(mutex);
        requester = asked_by;
        if (fails) {
            return std::unexpected(*fails);
        }
        if (!revocations.contains(revocation)) {
            return fail("there is no revocation " + std::to_string(revocation), ENOENT);
        }
        revocations[revocation] = intent;
        return {};
    }
    // With `endless_audit` it ends when it is not wanted any more, telling `steps` as it begins.
    Result<AuditView> audit(const AuditOptions& options, const AuditWatch& watch) override
    {
        std::vector<AuditProgress> told;
        bool endless = false;
        {
            const std::scoped_lock lock(mutex);
            asked = options;
            told = steps;
            endless = endless_audit;
            ++audits_begun;
        }
        for (const AuditProgress& progress : told) {
            if (watch.progress) {
                watch.progress(progress);
            }
        }
        while (endless && watch.wanted()) {
            std::this_thread::yield();
        }
        const std::scoped_lock lock(mutex);
        if (endless) {
            ++audits_given_up;
            return fail("nobody waits for the audit any more", ECANCELED);
        }
        return fails ? Result<AuditView>(std::unexpected(*fails)) : found;
    }
    Result<std::uint64_t> apply(std::vector<Policy> policies, bool validate_only, const Requester& asked_by,
                                std::optional<std::uint64_t> if_generation) override
    {
        const std::scoped_lock lock(mutex);
        requester = asked_by;
        if (fails) {
            return std::unexpected(*fails);
        }
        if (if_generation && *if_generation != answer.policy_generation) {
            return other_generation();
        }
        if (!validate_only) {
            applied.insert(applied.end(), policies.begin(), policies.end());
            ++answer.policy_generation;
        }
        return answer.policy_generation;
    }
    Result<std::uint64_t> remove(std::string name, const Requester& asked_by,
                                 std::optional<std::uint64_t> if_generation) override
    {
        const std::scoped_lock lock(mutex);
        requester = asked_by;
        if (if_generation && *if_generation != answer.policy_generation) {
            return other_generation();
        }
        if (std::erase_if(applied, [&](const Policy& policy) { return policy.name == name; }) == 0) {
            return fail("no policy \"" + name + "\"", ENOENT);
        }
        return ++answer.policy_generation;
    }

    Result<std::uint64_t> set_mode(std::string name, Mode mode, const Requester& asked_by,
                                   std::optional<std::uint64_t> if_generation) override
    {
        const std::scoped_lock lock(mutex);
        requester = asked_by;
        if (if_generation && *if_generation != answer.policy_generation) {
            return other_generation();
        }
        const auto policy = std::ranges::find(applied, name, &Policy::name);
        if (policy == applied.end()) {
            return fail("no policy \"" + name + "\"", ENOENT);
        }
        policy->mode = mode;
        return ++answer.policy_generation;
    }
    Result<DryRunView> test(DryRunQuestion question) override
    {
        const std::scoped_lock lock(mutex);
        tested = std::move(question);
        return fails ? Result<DryRunView>(std::unexpected(*fails)) : would_be;
    }

    std::mutex mutex;
    Snapshot answer;
    int snapshots_asked = 0;
    std::vector<PinView> pinned;    // in order of id
    std::size_t batch_size = 1000;  // of pins()
    MetricsSnapshot numbers;
    FailureList failed;
    std::map<pw_scope_kind, std::vector<ProcessHolder>> holding;
    NotifiersView listeners;
    HoldsView held;
    AuditView found;
    AuditOptions asked;
    std::vector<AuditProgress> steps;  // of every audit
    bool endless_audit = false;
    int audits_begun = 0;
    int audits_given_up = 0;
    std::map<std::uint64_t, std::optional<RevocationIntent>> revocations;  // by number, with what was said of them
    std::optional<Requester> requester;                                    // of the last call that tells one
    std::optional<Error> fails;
    std::vector<Policy> applied;
    DryRunQuestion tested;
    DryRunView would_be;

private:
    static std::unexpected<Error> other_generation()
    {
        return std::unexpected(Error{"another generation is in force", ESTALE, "if_generation"});
    }
};

inline constexpr FileKey kShownFile{.inode = 12, .device = (253U << 20U) | 1U, .generation = 7};

// A pin of `pages` pages by pid 812 through rdma_rxe, on /mnt/data/x from `first_page`, at 0x7f0000000000 + the same
// offset, ten seconds after boot.
inline PinView file_pin(PinId id, std::uint64_t first_page, std::uint64_t pages)
{
    PinView view;
    PinRecord& pin = view.pin;
    pin.id = id;
    pin.owner = {
        .process = {812, 5 * kSecond}, .tid = 813, .uid = 1000, .gid = 1000, .cgroup = 99, .comm = "rdma-demo"};
    pin.driver = "rdma_rxe";
    pin.function = PW_PIN_USER_PAGES_FAST;
    pin.address = 0x7f0000000000 + first_page * 4096;
    pin.acquired = 10 * kSecond;
    pin.long_term = true;
    pin.writable = true;
    pin.pinned_pages = pin.live_pages = pin.listed_pages = pages;
    pin.bytes = pages * 4096;
    pin.ranges = {{.file = kShownFile, .first_page = first_page, .pages = pages, .position = 0}};
    pin.backing = Backing::kFile;
    view.files[kShownFile] = {.path = "/mnt/data/x", .filesystem = "ext4", .deleted = false};
    view.stack = {"pin_user_pages_fast+0x1f", "ib_umem_get+0x2d2 [ib_uverbs]"};
    return view;
}

inline Snapshot snapshot_with(const std::vector<PinView>& pins)
{
    Snapshot snapshot;
    snapshot.version = "0.1.0";
    snapshot.kernel_release = "6.1.0-32-amd64";
    snapshot.daemon_pid = 77;
    snapshot.taken = 130 * kSecond;
    snapshot.started = 5 * kSecond;
    snapshot.boot_to_unix = 1'700'000'000 * kSecond;
    snapshot.pin_count = pins.size();
    for (const PinView& view : pins) {
        snapshot.pinned_bytes += view.pin.bytes;
    }
    return snapshot;
}

// By the same owner, twenty seconds after boot.
inline FailedPin failed_pin(int error)
{
    return {.time = 20 * kSecond,
            .owner = file_pin(1, 0, 1).pin.owner,
            .driver = "rdma_rxe",
            .function = PW_PIN_USER_PAGES_FAST,
            .address = 0x7f0000000000,
            .pages = 256,
            .writable = true,
            .error = error,
            .stack = {"pin_user_pages_fast+0x1f", "ib_umem_get+0x2d2 [ib_uverbs]"}};
}

inline Notice pinned_notice(PinId id)
{
    return {.time = 10 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond, .what = PinnedNotice{file_pin(id, 0, 1)}};
}

// A truncate of /mnt/data/x from 1 MiB to nothing by pid 900 that met file_pin(1, 0, 256).
inline Notice conflict_notice(pw_verdict verdict, const std::string& policy)
{
    ConflictView view;
    Conflict& conflict = view.conflict;
    conflict.operation.time = 20 * kSecond;
    conflict.operation.file = kShownFile;
    conflict.operation.file_size = kMiB;
    conflict.operation.caller = {
        .process = {900, 19 * kSecond}, .tid = 900, .uid = 0, .gid = 0, .cgroup = 1, .comm = "truncate"};
    conflict.operation.verdict = verdict;
    conflict.operation.error = verdict == PW_VERDICT_ALLOW ? 0 : EBUSY;
    conflict.path = "/mnt/data/x";
    conflict.filesystem = "ext4";
    conflict.end_page = 256;
    conflict.pins = {file_pin(1, 0, 256).pin};
    view.policy = policy;
    view.reason = policy.empty() ? "" : "1 pin is in the way";
    return {.time = 20 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond, .what = ConflictNotice{std::move(view)}};
}

// That truncate, held by policy "keep" from twenty seconds after boot for up to ten, and asked for again once.
inline HoldView held_truncate(std::uint64_t id)
{
    Notice notice = conflict_notice(PW_VERDICT_HOLD, "keep");
    return {.id = id,
            .conflict = std::get<ConflictNotice>(std::move(notice.what)).conflict,
            .since = 20 * kSecond,
            .deadline = 30 * kSecond,
            .asked = 2,
            .released = std::nullopt};
}

// As seen 23.2 seconds after boot.
inline HoldsView holds_with(std::vector<HoldView> holds)
{
    return {.holds = std::move(holds), .taken = 23 * kSecond + 200'000'000, .boot_to_unix = 1'700'000'000 * kSecond};
}

// Of held_truncate(7), after 3.2 seconds.
inline Notice hold_ended_notice(const std::string& outcome)
{
    return {.time = 23 * kSecond + 200'000'000,
            .boot_to_unix = 1'700'000'000 * kSecond,
            .what = HoldEndedNotice{.hold = held_truncate(7), .outcome = outcome, .held = 3 * kSecond + 200'000'000}};
}

// SIGTERM to the owner of file_pin(1, 0, 256), for the truncate of conflict_notice(). `reason`: why not, if it was not.
inline Notice signal_notice(ActOutcome outcome, const std::string& reason = "")
{
    SignalNotice notice{.policy = "keep", .operation = "truncate", .path = "/mnt/data/x", .report = {}};
    notice.report.act = {.process = {812, 5 * kSecond},
                         .signal = SIGTERM,
                         .rule = "revoke.then[0]",
                         .held = {.pins = {1, 2}, .bytes = kMiB, .drivers = {"rdma_rxe"}}};
    notice.report.outcome = outcome;
    notice.report.reason = reason;
    notice.report.victim = ProcessFacts{.process = {812, 5 * kSecond},
                                        .uid = 1000,
                                        .comm = "rdma-demo",
                                        .executable = "/usr/bin/rdma-demo",
                                        .cgroup = "/system.slice/demo.service"};
    return {.time = 25 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond, .what = std::move(notice)};
}

// A process that let go 3.2 seconds after SIGTERM, which came five seconds after SIGUSR1.
inline Revocation::Victim released_victim(std::uint32_t pid)
{
    return {.who = {.process = {pid, 5 * kSecond}, .held = {.pins = {1}, .bytes = kMiB, .drivers = {"rdma_rxe"}}},
            .sent = {{.signal = SIGUSR1, .time = 20 * kSecond}, {.signal = SIGTERM, .time = 25 * kSecond}},
            .released = 28 * kSecond + 200'000'000,
            .spared = std::nullopt};
}

// Of that truncate. Of the owners, pid 812 is known.
inline Notice revocation_notice(RevocationEnd end, std::vector<Revocation::Victim> victims)
{
    return {.time = 30 * kSecond,
            .boot_to_unix = 1'700'000'000 * kSecond,
            .what = RevocationNotice{.policy = "keep",
                                     .operation = "truncate",
                                     .path = "/mnt/data/x",
                                     .end = end,
                                     .victims = std::move(victims),
                                     .known = {{{812, 5 * kSecond},
                                                {.process = {812, 5 * kSecond},
                                                 .uid = 1000,
                                                 .comm = "rdma-demo",
                                                 .executable = "/usr/bin/rdma-demo",
                                                 .cgroup = "/system.slice/demo.service"}}}}};
}

// A munmap of the first 64 KiB of file_pin(1, 0, 256) by its owner.
inline Notice invalidation_notice()
{
    const PinView pin = file_pin(1, 0, 256);
    InvalidationView view{.operation = "munmap",
                          .caller = pin.pin.owner,
                          .range = {pin.pin.address, 65536},
                          .bytes = 65536,
                          .pins = {pin},
                          .reason = "the process no longer maps pages that stay pinned"};
    return {.time = 20 * kSecond, .boot_to_unix = 1'700'000'000 * kSecond, .what = InvalidationNotice{std::move(view)}};
}

// An on-demand range of an RDMA device and a virtual machine, ten seconds after boot.
inline NotifiersView two_notifiers()
{
    const Task owner{
        .process = {812, 5 * kSecond}, .tid = 813, .uid = 1000, .gid = 1000, .cgroup = 99, .comm = "rdma-demo"};
    return {.notifiers = {{.owner = owner,
                           .owner_exited = false,
                           .driver = "mlx5_ib",
                           .on_demand = true,
                           .range = {0x7f0000000000, 65536},
                           .since = 10 * kSecond},
                          {.owner = owner,
                           .owner_exited = true,
                           .driver = "kvm",
                           .on_demand = false,
                           .range = {},
                           .since = 10 * kSecond}},
            .taken = 130 * kSecond,
            .boot_to_unix = 1'700'000'000 * kSecond};
}

}  // namespace pinwarden::test
