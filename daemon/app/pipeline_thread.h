// The thread that owns the pipeline: reads the ring, keeps time, and runs what the serving threads ask of it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "app/engine.h"
#include "app/kernel_watch.h"
#include "base/fd.h"
#include "base/result.h"
#include "kernel/ring_reader.h"
#include "policy/host_root.h"
#include "publish/snapshot.h"

namespace pinwarden {

class PipelineThread final : public Pipeline {
public:
    // `engine`, `ring` and `health` must outlive the thread and are its own while it runs; `holders`, which must
    // outlive it as well, is used by the serving threads.
    static Result<std::unique_ptr<PipelineThread>> start(Engine& engine, RingReader& ring, HolderSearch& holders,
                                                         HealthReader& health, HostRoot root = HostRoot());
    ~PipelineThread() override;

    // Refuses further requests, handles what is in the ring, ends the thread.
    void stop();
    // Nobody is held from now on, and who is, is let go. Waits until nobody is left, a few seconds at most; false when
    // somebody is.
    bool stop_holding();

    // See Engine; these return at once.
    void follow();
    // Has `act` run by the thread that owns the engine, in the order of calls; not when the daemon is stopping.
    void on_engine(std::function<void(Engine&)> act);

    Result<Snapshot> snapshot() override;
    Result<PinBatch> pins(const PinFilter& filter, PinId from) override;
    Result<MetricsSnapshot> metrics() override;
    Result<FailureList> failures() override;
    Holders may_hold(const std::set<pw_scope_kind>& kinds) override { return holders_.find(kinds); }
    Result<NotifiersView> notifiers() override;
    Result<HoldsView> holds() override;
    Result<void> release_hold(std::uint64_t id, Outcome outcome, const Requester& asked_by) override;
    Result<void> acknowledge(std::uint64_t revocation, RevocationIntent intent, const Requester& asked_by) override;
    Result<AuditView> audit(const AuditOptions& options, const AuditWatch& watch) override;
    Result<std::uint64_t> apply(std::vector<Policy> policies, bool validate_only, const Requester& asked_by,
                                std::optional<std::uint64_t> if_generation) override;
    Result<std::uint64_t> remove(std::string name, const Requester& asked_by,
                                 std::optional<std::uint64_t> if_generation) override;
    Result<std::uint64_t> set_mode(std::string name, Mode mode, const Requester& asked_by,
                                   std::optional<std::uint64_t> if_generation) override;
    Result<DryRunView> test(DryRunQuestion question) override;

private:
    PipelineThread(Engine& engine, RingReader& ring, HolderSearch& holders, HealthReader& health, HostRoot root)
        : engine_(engine), ring_(ring), holders_(holders), health_(health), root_(std::move(root))
    {
    }

    template <typename T>
    Result<T> ask(std::function<Result<T>()> question);
    bool post(std::function<void()> task);
    void run();
    void drain_ring();
    void run_tasks();
    void tick();
    std::size_t take_records();
    [[nodiscard]] Nanoseconds next_look();
    [[nodiscard]] int wait_milliseconds(Nanoseconds next_regular) const;

    Engine& engine_;
    RingReader& ring_;
    HolderSearch& holders_;
    HealthReader& health_;
    const HostRoot root_;
    OwnedFd epoll_;
    OwnedFd wake_;
    OwnedFd mounts_;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
    bool accepting_ = true;
    bool records_come_ = false;  // some were read since it was last asked when to look again
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

}  // namespace pinwarden
