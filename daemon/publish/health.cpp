#include "publish/health.h"

#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pinwarden {
namespace {

struct Needs {
    const char* service;
    bool pipeline;
    bool hooks;
};

// The audit compares with the kernel's own counts, and the log is a file: both are most needed when something is wrong.
constexpr std::array kNeeds{
    Needs{"", true, true},
    Needs{"pinwarden.v1.StatusService", true, false},
    Needs{"pinwarden.v1.PinService", true, true},
    Needs{"pinwarden.v1.PolicyService", true, true},
    Needs{"pinwarden.v1.HoldService", true, true},
    Needs{"pinwarden.v1.ConflictService", true, true},
    Needs{"pinwarden.v1.AuditService", true, false},
    Needs{"pinwarden.v1.AuditLogService", false, false},
    Needs{"pinwarden.v1.ConfigService", false, false},
};

}  // namespace

Ailments HealthJudge::judge(const Result<Snapshot>& answer)
{
    if (!answer) {
        return {.pipeline = answer.error().message};
    }
    Ailments ailments;
    for (const HookState& hook : answer->hooks) {
        if (hook.attached) {
            attached_.insert(hook.name);
        } else if (hook.needed && attached_.contains(hook.name)) {
            ailments.hooks += (ailments.hooks.empty() ? "" : ", ") + hook.name;
        }
    }
    if (attached_.empty()) {
        ailments.hooks = "none is attached yet";
    }
    return ailments;
}

HealthReporter::HealthReporter(Pipeline& pipeline, std::vector<grpc::HealthCheckServiceInterface*> services,
                               std::chrono::milliseconds look_every)
    : pipeline_(pipeline), services_(std::move(services)), look_every_(look_every)
{
    tell({.pipeline = "it was not asked yet", .hooks = "none is attached yet"});
    thread_ = std::thread([this] { look_until_stopped(); });
}

HealthReporter::~HealthReporter()
{
    {
        const std::scoped_lock lock(mutex_);
        stopped_ = true;
    }
    changed_.notify_all();
    thread_.join();
    for (grpc::HealthCheckServiceInterface* const service : services_) {
        service->SetServingStatus(false);
    }
}

void HealthReporter::look_until_stopped()
{
    std::unique_lock lock(mutex_);
    while (!stopped_) {
        lock.unlock();
        tell(judge_.judge(pipeline_.snapshot()));
        lock.lock();
        changed_.wait_for(lock, look_every_, [this] { return stopped_; });
    }
}

void HealthReporter::tell(const Ailments& ailments)
{
    if (told_ == ailments) {
        return;
    }
    told_ = ailments;
    for (const Needs& needs : kNeeds) {
        const bool serves = (!needs.pipeline || ailments.pipeline.empty()) && (!needs.hooks || ailments.hooks.empty());
        for (grpc::HealthCheckServiceInterface* const service : services_) {
            service->SetServingStatus(needs.service, serves);
        }
    }
}

}  // namespace pinwarden
