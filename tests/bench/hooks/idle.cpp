#include "hooks/idle.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <stdexcept>

#include "base/result.h"

namespace pinwarden::bench {
namespace {

[[noreturn]] void run_when_idle()
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const sched_param none{};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) {
        _exit(1);
    }
    for (;;) {
        asm volatile("");
    }
}

}  // namespace

IdleTime& IdleTime::instance()
{
    static IdleTime only;
    return only;
}

IdleTime::IdleTime() : process_(fork())
{
    if (process_ == 0) {
        run_when_idle();
    }
    if (process_ < 0 || clock_getcpuclockid(process_, &clock_) != 0) {
        throw std::runtime_error(system_error("measure idle time", errno).message);
    }
}

IdleTime::~IdleTime()
{
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
}

double IdleTime::nanoseconds() const
{
    timespec ran{};
    if (clock_gettime(clock_, &ran) != 0) {
        throw std::runtime_error(system_error("measure idle time", errno).message);
    }
    return static_cast<double>(ran.tv_sec) * 1e9 + static_cast<double>(ran.tv_nsec);
}

}  // namespace pinwarden::bench
