// Whether the daemon does what it is there for, as grpc.health.v1 tells it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "publish/snapshot.h"

namespace grpc {
class HealthCheckServiceInterface;
}

namespace pinwarden {

// What is wrong; empty: nothing.
struct Ailments {
    std::string pipeline = {};  // it does not answer
    std::string hooks = {};     // something is not seen, or not enforced, that was before

    [[nodiscard]] bool none() const { return pipeline.empty() && hooks.empty(); }
    bool operator==(const Ailments&) const = default;
};

// Judges what the pipeline answers, in order of time.
class HealthJudge {
public:
    // A hook that this kernel does not have is nothing to worry about, one that was attached and is not any more is,
    // unless nothing needs it.
    Ailments judge(const Result<Snapshot>& answer);

private:
    std::set<std::string> attached_;  // hooks that have been
};

// Asks the pipeline again and again and tells the servers' health services. Nothing is served before the first hook is
// attached. Not thread-safe.
class HealthReporter {
public:
    static constexpr std::chrono::milliseconds kLookEvery{2000};

    // Both must outlive this. `services`: of each server; told at once that nothing is served yet.
    HealthReporter(Pipeline& pipeline, std::vector<grpc::HealthCheckServiceInterface*> services,
                   std::chrono::milliseconds look_every = kLookEvery);
    // Tells that nothing is served any more.
    ~HealthReporter();
    HealthReporter(const HealthReporter&) = delete;
    HealthReporter& operator=(const HealthReporter&) = delete;

private:
    void look_until_stopped();
    void tell(const Ailments& ailments);

    Pipeline& pipeline_;
    const std::vector<grpc::HealthCheckServiceInterface*> services_;
    const std::chrono::milliseconds look_every_;
    HealthJudge judge_;
    std::optional<Ailments> told_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
    std::thread thread_;
};

}  // namespace pinwarden
