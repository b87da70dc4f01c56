// An audit that a serving thread waits for while the pipeline thread runs it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "publish/snapshot.h"

namespace pinwarden {

// Shared by the two: the audit may go on after the one who waits has given up.
class AuditCall : public std::enable_shared_from_this<AuditCall> {
public:
    static std::shared_ptr<AuditCall> make() { return std::shared_ptr<AuditCall>(new AuditCall); }
    AuditCall(const AuditCall&) = delete;
    AuditCall& operator=(const AuditCall&) = delete;
    ~AuditCall() = default;

    // For the pipeline thread: to be called as the audit goes on, and with its result, once. Both keep this alive.
    AuditWatch watch();
    std::function<void(const Result<AuditView>&)> done();

    // For the serving thread, once: waits for the result, and tells `watch` of progress meanwhile, at the latest before
    // the result. Ends sooner, and then the audit is not wanted any more: Error ECANCELED when `watch` does not want
    // it, ETIMEDOUT after `longest`, ESHUTDOWN once `stopping` is set; an audit that is under way then is never
    // finished.
    Result<AuditView> wait(const AuditWatch& watch, std::chrono::seconds longest, const std::atomic<bool>& stopping);

private:
    AuditCall() = default;
    std::optional<AuditProgress> take_progress();

    std::promise<Result<AuditView>> answer_;
    std::mutex mutex_;
    std::optional<AuditProgress> progress_;  // that the serving thread has not seen
    std::atomic<bool> wanted_ = true;
};

}  // namespace pinwarden
