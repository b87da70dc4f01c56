// Many processes that truncate one file, again and again: far more conflicts than anybody could want.
//
//   storm PATH SIZE PROCESSES SECONDS COUNT
//
// Each process truncates PATH to SIZE, COUNT times among them all and evenly over SECONDS; who falls behind, because
// the machine is slow or it was held, hurries. With SECONDS 0 all is tried at once, however long it takes. Prints
// "ready" when all processes are there, begins when a line is read, and prints in the end what the calls came to, by
// name: "tried=5 ok=1 EBUSY=4 EPERM=0 other=0 milliseconds=77".
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

struct Counts {
    std::atomic<std::uint64_t> tried = 0;
    std::atomic<std::uint64_t> ok = 0;
    std::atomic<std::uint64_t> busy = 0;
    std::atomic<std::uint64_t> refused = 0;
    std::atomic<std::uint64_t> other = 0;
};

struct Storm {
    std::string path;
    off_t size;
    std::uint64_t processes;
    std::chrono::seconds seconds;
    std::uint64_t count;
};

void count(Counts& counts, bool failed)
{
    const int error = failed ? errno : 0;
    ++(error == 0 ? counts.ok : error == EBUSY ? counts.busy : error == EPERM ? counts.refused : counts.other);
}

// The calls number `which`, `which` + processes, ...
void blow(const Storm& storm, std::uint64_t which, Counts& counts)
{
    const auto start = Clock::now();
    const auto end = start + storm.seconds;
    const bool paced = storm.seconds.count() != 0;
    for (std::uint64_t i = which; i < storm.count; i += storm.processes) {
        if (paced) {
            std::this_thread::sleep_until(start + std::chrono::duration_cast<std::chrono::microseconds>(storm.seconds) *
                                                      i / storm.count);
            if (Clock::now() > end) {
                return;
            }
        }
        ++counts.tried;
        count(counts, truncate(storm.path.c_str(), storm.size) != 0);
    }
}

// Until the pipe's other end is closed.
void wait_for_start(int fd)
{
    char ignored = 0;
    while (read(fd, &ignored, 1) < 0 && errno == EINTR) {
    }
}

}  // namespace

int main(int argument_count, char** arguments)
{
    if (argument_count != 6) {
        std::fputs("usage: storm PATH SIZE PROCESSES SECONDS COUNT\n", stderr);
        return 2;
    }
    const Storm storm{.path = arguments[1],
                      .size = std::atol(arguments[2]),
                      .processes = std::strtoull(arguments[3], nullptr, 10),
                      .seconds = std::chrono::seconds(std::atol(arguments[4])),
                      .count = std::strtoull(arguments[5], nullptr, 10)};
    int start[2];
    void* page = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || pipe(start) != 0) {
        std::perror("storm");
        return 2;
    }
    auto& counts = *new (page) Counts;
    for (std::uint64_t which = 0; which < storm.processes; ++which) {
        const pid_t child = fork();
        if (child < 0) {
            std::perror("storm: fork");
            return 2;
        }
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(start[1]);
            wait_for_start(start[0]);
            blow(storm, which, counts);
            _exit(0);
        }
    }
    close(start[0]);
    std::puts("ready");
    std::fflush(stdout);
    if (std::getchar() == EOF) {
        return 2;
    }
    const auto begin = Clock::now();
    close(start[1]);
    for (std::uint64_t ended = 0; ended < storm.processes;) {
        ended += wait(nullptr) > 0 ? 1U : 0U;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
    std::printf("tried=%lu ok=%lu EBUSY=%lu EPERM=%lu other=%lu milliseconds=%ld\n", counts.tried.load(),
                counts.ok.load(), counts.busy.load(), counts.refused.load(), counts.other.load(),
                static_cast<long>(took));
    return 0;
}
