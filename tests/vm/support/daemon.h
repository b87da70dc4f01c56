// A real pinwardend.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/api.h"
#include "support/process.h"
#include "support/temporary_folder.h"

namespace pinwarden::test {

class Daemon {
public:
    // Starts it with a socket of its own and the metrics on the usual port, and waits until it is ready.
    explicit Daemon(const std::vector<std::string>& options = {});

    // One that most tests share, because loading and attaching takes seconds in an emulated machine. It is started when
    // it is first asked for, or with other options: then the one there was ends as with stop(). It has no policies;
    // nothing must be pinned when a test asks for one that runs already, or the test before left something.
    static Daemon& shared(const std::vector<std::string>& options = {});
    // Ends the shared one, if there is one, as stop() does: for tests that want one of their own, or the next shared
    // one to find what they pin before.
    static void stop_shared();

    [[nodiscard]] pid_t pid() const { return process_->pid(); }
    [[nodiscard]] const std::string& socket() const { return socket_; }
    [[nodiscard]] std::string messages() const;
    // Where it writes its audit log, unless it was told otherwise.
    [[nodiscard]] std::string audit_log() const { return folder_.file("audit.log"); }
    Api& api() { return *api_; }
    static Metrics metrics();
    // Runs pinctl with `arguments`, a shell's words.
    [[nodiscard]] Outcome pinctl(const std::string& arguments) const;
    // Waits until its census has found what was pinned before it started; something has to be.
    void wait_for_census();

    // Waits until the objects of a driver are followed, which is a moment after it was loaded: "rdma regions", ...
    // Returns `target`, the driver's device.
    std::string followed(const std::string& target, const std::string& hook);
    // Throws unless the ledger is empty, exactly.
    void expect_nothing_pinned();
    // SIGTERM. Throws unless it ends with status 0 and without its socket.
    void stop();

    // Keeps it from doing anything while the object lives.
    class Paused {
    public:
        explicit Paused(Daemon& daemon) : process_(*daemon.process_) { process_.pause(); }
        Paused(const Paused&) = delete;
        Paused& operator=(const Paused&) = delete;
        ~Paused() { process_.resume(); }

    private:
        Process& process_;
    };

private:
    TemporaryFolder folder_;
    std::string socket_;
    std::optional<Process> process_;
    std::optional<Api> api_;
};

// How long a daemon may take to start: the verifier has much to look at, which takes an emulated machine a quarter of a
// minute when nobody else wants the host.
inline constexpr std::chrono::seconds kStart{240};

inline const std::string kMetricsUrl = "http://127.0.0.1:9877/metrics";

}  // namespace pinwarden::test
