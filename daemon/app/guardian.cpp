#include "app/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "app/confinement.h"
#include "app/free_memory.h"
#include "base/clock.h"
#include "proc/stopped_process.h"

namespace pinwarden {
namespace {

constexpr int kLookMilliseconds = 250;
// So long the daemon has for continuing those whose time is up.
constexpr Nanoseconds kLate = 1'000'000'000;
constexpr useconds_t kAgainMicroseconds = 20'000;
constexpr int kLetGoTurns = 250;
// A caller may be on its way to being stopped.
constexpr int kQuietTurns = 5;

bool caller_stopped(const pw_hold& hold)
{
    return is_stopped(hold.operation.caller.pid, hold.operation.caller.tid);
}

ProcessId process_of(const pw_hold& hold)
{
    return {hold.operation.caller.pid, hold.operation.caller.start_time};
}

// The programs may be attached still, or not: who asks again is not held, as nobody attends.
void let_everybody_go(HoldTable& table)
{
    table.leave();
    for (int turn = 0, quiet = 0; turn < kLetGoTurns && quiet < kQuietTurns; ++turn) {
        std::vector<pw_hold> holds = table.list();
        std::erase_if(holds, [](const pw_hold& hold) { return !caller_stopped(hold); });
        quiet = holds.empty() ? quiet + 1 : 0;
        continue_callers(holds);
        usleep(kAgainMicroseconds);
    }
    // Whoever is found in the table by the next daemon would be continued again.
    for (const pw_hold& hold : table.list()) {
        if (!caller_stopped(hold)) {
            table.forget(hold.operation.caller.tid, hold.hold);
        }
    }
}

void continue_overdue(const HoldTable& table)
{
    const Nanoseconds now = SystemClock().now();
    std::vector<pw_hold> holds = table.list();
    std::erase_if(holds, [now](const pw_hold& hold) { return now < hold.deadline + kLate || !caller_stopped(hold); });
    continue_callers(holds);
}

// Nothing of the daemon's but the table and the pipe: what it had open goes when it goes.
void close_all_but(int first, int second)
{
    const auto [low, high] = std::minmax(first, second);
    if (low > 0) {
        close_range(0, static_cast<unsigned>(low) - 1, 0);
    }
    close_range(static_cast<unsigned>(low) + 1, static_cast<unsigned>(high) - 1, 0);
    close_range(static_cast<unsigned>(high) + 1, ~0U, 0);
}

[[noreturn]] void guard(HoldTable table, const std::string& kept_at, int pipe)
{
    // Its own session: what is sent to the daemon's terminal or group is not for it.
    setsid();
    // Nor is what a service manager sends to all of a service, SIGTERM or its watchdog's SIGABRT.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    prctl(PR_SET_NAME, "pinwarden-guard");
    // What the daemon has let go so far, and gives back for itself only when it has started.
    FreeMemory().give_back();
    close_all_but(pipe, table.fd());
    // What it could not give up it does not use.
    static_cast<void>(keep_capabilities(kGuardianCapabilities));
    static_cast<void>(forbid_system_calls());
    if (chdir("/") != 0) {
        _exit(1);
    }
    pollfd daemon{.fd = pipe, .events = POLLIN, .revents = 0};
    for (;;) {
        const int ready = poll(&daemon, 1, kLookMilliseconds);
        if (ready == 0) {
            continue_overdue(table);
            continue;
        }
        std::array<char, 1> word{};
        const ssize_t got = ready < 0 ? -1 : read(pipe, word.data(), word.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            let_everybody_go(table);
            table.forget_kept(kept_at);
        }
        _exit(0);
    }
}

}  // namespace

void continue_callers(const std::vector<pw_hold>& holds)
{
    for (const pw_hold& hold : holds) {
        resume(process_of(hold));
    }
}

Result<std::unique_ptr<Guardian>> Guardian::start(HoldTable table, const std::string& kept_at)
{
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return std::unexpected(system_error("make the guardian's pipe", errno));
    }
    OwnedFd reading(ends[0]);
    OwnedFd writing(ends[1]);
    const pid_t pid = fork();
    if (pid < 0) {
        return std::unexpected(system_error("start the guardian", errno));
    }
    if (pid == 0) {
        guard(table, kept_at, reading.get());
    }
    return std::unique_ptr<Guardian>(new Guardian(pid, std::move(writing)));
}

bool Guardian::alive()
{
    if (pid_ != 0 && waitpid(pid_, nullptr, WNOHANG) != 0) {
        pid_ = 0;
    }
    return pid_ != 0;
}

Guardian::~Guardian()
{
    if (!alive()) {
        return;
    }
    const char word = 'q';
    [[maybe_unused]] const ssize_t written = write(pipe_.get(), &word, 1);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace pinwarden
