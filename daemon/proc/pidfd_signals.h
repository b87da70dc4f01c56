// Signals by pidfd: it stays with one process, so what is checked of it after it was opened holds when the signal goes.
#pragma once

#include "act/process_signals.h"
#include "proc/process_stat.h"

namespace pinwarden {

class PidfdSignals final : public ProcessSignals {
public:
    // Whether pids here are those the kernel reports; nobody is signalled where they are not.
    explicit PidfdSignals(bool pids_are_the_kernels = in_initial_pid_namespace()) : usable_(pids_are_the_kernels) {}

    // Start times count in whole ticks of /proc. Whatever is known of the process, refuses pid 0 (nobody), pid 1,
    // kernel threads, the daemon and its parent.
    Result<SignalOutcome> send(const ProcessId& process, int signal) override;
    Result<ProcessFacts> facts(const ProcessId& process) override;

private:
    bool usable_;
};

}  // namespace pinwarden
