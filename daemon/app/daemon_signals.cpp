#include "app/daemon_signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace pinwarden {

Result<DaemonSignals> DaemonSignals::block()
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    OwnedFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) {
        return std::unexpected(system_error("listen for signals", errno));
    }
    return DaemonSignals(std::move(fd));
}

DaemonSignals::Told DaemonSignals::next(std::chrono::milliseconds within) const
{
    pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    signalfd_siginfo signal{};
    if (poll(&readable, 1, static_cast<int>(within.count())) <= 0 ||
        read(fd_.get(), &signal, sizeof(signal)) != static_cast<ssize_t>(sizeof(signal))) {
        return Told::kNothing;
    }
    return signal.ssi_signo == SIGHUP ? Told::kReload : Told::kStop;
}

}  // namespace pinwarden
