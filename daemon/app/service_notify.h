// What the daemon tells its service manager, systemd, by the protocol of sd_notify(3): that it is ready, how it is,
// that it stops; and, at the watchdog, that its pipeline answers. Where there is no service manager (NOTIFY_SOCKET is
// not set), nothing is told and nothing is asked.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "publish/health.h"
#include "publish/snapshot.h"

namespace pinwarden {

// How often the pipeline is asked for the watchdog's sake: often enough for an answer that takes its five seconds to be
// late once. `watchdog`: after how long without a word the service manager ends the daemon (WATCHDOG_USEC); nothing: it
// does not.
std::chrono::microseconds look_every(std::optional<std::chrono::microseconds> watchdog);

// The daemon's state in a line, for `systemctl status`.
std::string state_line(const Snapshot& snapshot, const Ailments& ailments);

// Whether standard error leads to the journal (JOURNAL_STREAM), which keeps times and levels by itself.
bool stderr_is_journal();

// Not thread-safe.
class ServiceNotifier {
public:
    // Tells that the daemon is ready. From then on a thread asks the pipeline, which must outlive this, and only an
    // answer feeds the watchdog.
    explicit ServiceNotifier(Pipeline& pipeline);
    ServiceNotifier(const ServiceNotifier&) = delete;
    ServiceNotifier& operator=(const ServiceNotifier&) = delete;
    ~ServiceNotifier();

    // Tells that the configuration is being read again, and that this is over, whatever came of it. From any thread.
    static void reloading();
    static void reloaded();
    // Tells that the daemon stops, and asks no more.
    void stopping();

private:
    void look_until_stopped();
    void look();

    Pipeline& pipeline_;
    const std::chrono::microseconds look_every_;
    HealthJudge judge_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
    std::thread thread_;  // none where there is no service manager
};

}  // namespace pinwarden
