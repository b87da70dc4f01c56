// Brings the audit log's lines to the disk that nobody waits for.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "act/audit_file.h"

namespace pinwarden {

// On a thread of its own, so that a slow disk does not hold up decisions.
class AuditSyncer {
public:
    // `file` must outlive this. `log_warning` is called on that thread.
    AuditSyncer(AuditFile& file, std::function<void(const std::string&)> log_warning);
    // Does so a last time.
    ~AuditSyncer();
    AuditSyncer(const AuditSyncer&) = delete;
    AuditSyncer& operator=(const AuditSyncer&) = delete;

    // Something was written. Returns at once.
    void wake();

private:
    void run();

    AuditFile& file_;
    const std::function<void(const std::string&)> log_warning_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool written_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace pinwarden
