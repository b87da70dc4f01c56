#include "app/audit_syncer.h"

#include <chrono>
#include <utility>

namespace pinwarden {
namespace {

// What is written meanwhile goes to the disk together.
constexpr std::chrono::milliseconds kPause{100};

}  // namespace

AuditSyncer::AuditSyncer(AuditFile& file, std::function<void(const std::string&)> log_warning)
    : file_(file), log_warning_(std::move(log_warning)), thread_([this] { run(); })
{
}

AuditSyncer::~AuditSyncer()
{
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void AuditSyncer::wake()
{
    {
        const std::scoped_lock lock(mutex_);
        written_ = true;
    }
    changed_.notify_one();
}

void AuditSyncer::run()
{
    bool failing = false;
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return written_ || stopping_; });
        const bool last = stopping_;
        written_ = false;
        lock.unlock();
        const auto synced = file_.sync();
        if (!synced && !failing) {
            log_warning_("what was done may not be on record: " + synced.error().message);
        }
        failing = !synced;
        if (last) {
            return;
        }
        lock.lock();
        changed_.wait_for(lock, kPause, [this] { return stopping_; });
    }
}

}  // namespace pinwarden
