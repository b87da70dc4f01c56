#include "app/service_notify.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace pinwarden {
namespace {

constexpr std::chrono::seconds kLookEvery{10};
constexpr int kLooksWithinWatchdog = 3;

std::optional<std::chrono::microseconds> watchdog()
{
    std::uint64_t microseconds = 0;
    return sd_watchdog_enabled(0, &microseconds) > 0 ? std::optional(std::chrono::microseconds(microseconds))
                                                     : std::nullopt;
}

void tell(const std::string& state)
{
    sd_notify(0, state.c_str());
}

bool enforces(const PolicyState& policy)
{
    return policy.policy.mode == Mode::kEnforce && policy.state == "active";
}

}  // namespace

std::chrono::microseconds look_every(std::optional<std::chrono::microseconds> watchdog)
{
    return watchdog ? std::min<std::chrono::microseconds>(*watchdog / kLooksWithinWatchdog, kLookEvery) : kLookEvery;
}

std::string state_line(const Snapshot& snapshot, const Ailments& ailments)
{
    if (!ailments.hooks.empty()) {
        return "Blind or powerless in part: hooks that were attached are not any more: " + ailments.hooks;
    }
    return fmt::format("{} pins of {} bytes, {} operations held, {} policies, {} of them enforced{}",
                       snapshot.pin_count, snapshot.pinned_bytes, snapshot.holds, snapshot.policies.size(),
                       std::ranges::count_if(snapshot.policies, enforces),
                       snapshot.ledger_certain ? "" : "; the ledger is not certain");
}

bool stderr_is_journal()
{
    const char* const stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    struct stat status{};
    return stream != nullptr && fstat(STDERR_FILENO, &status) == 0 &&
           fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

void ServiceNotifier::reloading()
{
    // By this time the service manager tells the word about this reload from that about an earlier one.
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto since_boot = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
    tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                     std::chrono::duration_cast<std::chrono::microseconds>(since_boot).count()));
}

void ServiceNotifier::reloaded()
{
    tell("READY=1");
}

ServiceNotifier::ServiceNotifier(Pipeline& pipeline) : pipeline_(pipeline), look_every_(look_every(watchdog()))
{
    if (sd_notify(0, "READY=1") > 0) {
        thread_ = std::thread([this] { look_until_stopped(); });
    }
}

ServiceNotifier::~ServiceNotifier()
{
    stopping();
}

void ServiceNotifier::stopping()
{
    {
        const std::scoped_lock lock(mutex_);
        if (stopped_) {
            return;
        }
        stopped_ = true;
    }
    tell("STOPPING=1\nSTATUS=Letting go whoever is held");
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ServiceNotifier::look_until_stopped()
{
    std::unique_lock lock(mutex_);
    while (!stopped_) {
        lock.unlock();
        look();
        lock.lock();
        changed_.wait_for(lock, look_every_, [this] { return stopped_; });
    }
}

void ServiceNotifier::look()
{
    const auto answer = pipeline_.snapshot();
    const Ailments ailments = judge_.judge(answer);
    tell(answer ? "WATCHDOG=1\nSTATUS=" + state_line(*answer, ailments)
                : "STATUS=Does not work: " + answer.error().message);
}

}  // namespace pinwarden
