// A child of the test that does nothing until it is signalled.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <stdexcept>

#include "proc/process_stat.h"

namespace pinwarden::test {

// What a child does first: it ends with the test, and a signal means to it what it means to any program, not what
// Catch2 makes of it.
inline void begin_child()
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const int signal : {SIGTERM, SIGINT, SIGABRT, SIGUSR1}) {
        std::signal(signal, SIG_DFL);
    }
}

class ChildProcess {
public:
    // When it is made, it is ready to be signalled.
    ChildProcess()
    {
        int ready[2] = {};
        if (pipe(ready) != 0) {
            throw std::runtime_error("pipe failed");
        }
        pid_ = fork();
        if (pid_ < 0) {
            throw std::runtime_error("fork failed");
        }
        if (pid_ == 0) {
            begin_child();
            close(ready[0]);
            close(ready[1]);
            while (true) {
                pause();
            }
        }
        close(ready[1]);
        char byte = 0;
        [[maybe_unused]] const ssize_t closed = read(ready[0], &byte, 1);
        close(ready[0]);
    }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess()
    {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            wait();
        }
    }

    [[nodiscard]] std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }
    // As /proc tells it, and a few nanoseconds of the kind /proc does not.
    [[nodiscard]] ProcessId id() const { return {pid(), read_process_stat(pid()).value().start_ticks * kTick + 42}; }
    [[nodiscard]] bool lives() const
    {
        const auto stat = read_process_stat(pid());
        return stat && !stat->dead();
    }
    // Ends it, but leaves its status to be asked for: its pid stays taken.
    void end() const
    {
        kill(pid_, SIGKILL);
        siginfo_t info{};
        waitid(P_PID, pid(), &info, WEXITED | WNOWAIT);
    }
    // Waits for its end; the signal it ended by, 0: by none.
    int wait()
    {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }

private:
    pid_t pid_ = -1;
};

}  // namespace pinwarden::test
