#include "daemon/held.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <new>
#include <span>
#include <stdexcept>

#include "base/fd.h"
#include "daemon/clock.h"
#include "hooks/buffer_ring.h"
#include "hooks/memory.h"
#include "hooks/need.h"

namespace pinwarden::bench {
namespace {

// So long the daemon has for all that a turn left to be done, and for getting to sleep.
constexpr std::int64_t kRest = 20'000'000;
// How often a truncate may come too late to be held, for one that is.
constexpr std::size_t kTries = 20;
// A turn begins at any time between two looks of the daemon's at the ring.
constexpr std::int64_t kLookEvery = 1'000'000;
constexpr std::int64_t kSteps = 7;

struct Truncated {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    int error = 0;
    bool stopped = false;  // it gave up its processor meanwhile, which this one does for nothing else
};

long switches()
{
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

Truncated truncate_file(int file)
{
    Truncated told;
    const long before = switches();
    told.begin = now();
    told.error = ftruncate(file, 0) == 0 ? 0 : errno;
    told.end = now();
    told.stopped = switches() != before;
    return told;
}

// A file of one page, and a child that truncates it when it is told to: whoever is held stops as a whole.
class File {
public:
    File() : file_(memfd_create("bench", MFD_CLOEXEC))
    {
        need(file_.valid(), "make a file");
        grow();
        page_ = map(MAP_SHARED, file_.get());
        turn_ = new (map(MAP_SHARED | MAP_ANONYMOUS, -1).data()) std::atomic<std::size_t>(0);
        std::array<int, 2> ends{};
        need(pipe2(ends.data(), O_CLOEXEC) == 0, "make a pipe");
        told_ = OwnedFd(ends[0]);
        start_child(OwnedFd(ends[1]));
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File()
    {
        kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
    }

    void pin()
    {
        page_[0] = std::byte{1};
        ring_.add(page_);
    }
    void release() { ring_.remove(); }
    void grow() { need(ftruncate(file_.get(), kPage) == 0, "make a file longer"); }
    void begin_truncate() { ++*turn_; }
    void wait_until_stopped()
    {
        siginfo_t ignored{};
        need(waitid(P_PID, static_cast<id_t>(child_), &ignored, WSTOPPED) == 0, "wait for a held truncate");
    }
    Truncated truncated()
    {
        Truncated told;
        need(read(told_.get(), &told, sizeof(told)) == sizeof(told), "hear of a truncate");
        if (told.error != 0) {
            throw std::runtime_error(system_error("a truncate that was to be held", told.error).message);
        }
        return told;
    }

private:
    static std::span<std::byte> map(int flags, int file)
    {
        void* const mapped = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, flags, file, 0);
        need(mapped != MAP_FAILED, "map a page");
        return {static_cast<std::byte*>(mapped), kPage};
    }

    void start_child(const OwnedFd& tells)
    {
        child_ = fork();
        need(child_ >= 0, "fork");
        if (child_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(tells.get());
        }
    }

    // Looks all the time: being woken takes as long as what is measured.
    [[noreturn]] void serve(int tells)
    {
        for (std::size_t done = 0;; ++done) {
            while (*turn_ == done) {
            }
            const Truncated told = truncate_file(file_.get());
            if (write(tells, &told, sizeof(told)) != sizeof(told)) {
                _exit(1);
            }
        }
    }

    OwnedFd file_;
    std::span<std::byte> page_;
    std::atomic<std::size_t>* turn_ = nullptr;
    OwnedFd told_;
    pid_t child_ = -1;
    BufferRing ring_;
};

}  // namespace

std::vector<std::int64_t> until_gone(std::size_t turns)
{
    std::vector<std::int64_t> all;
    File file;
    while (all.size() < turns) {
        file.pin();
        sleep_for(kRest);
        file.begin_truncate();
        file.wait_until_stopped();
        sleep_for(kRest);
        const std::int64_t released = now();
        file.release();
        all.push_back(file.truncated().end - released);
        file.grow();
    }
    return all;
}

std::vector<std::int64_t> until_resolved(std::size_t turns)
{
    std::vector<std::int64_t> all;
    File file;
    for (std::size_t turn = 0; turn < turns * kTries && all.size() < turns; ++turn) {
        file.pin();
        file.begin_truncate();
        const Truncated told = file.truncated();
        if (told.stopped) {
            all.push_back(told.end - told.begin);
        }
        file.release();
        file.grow();
        sleep_for(2 * kLookEvery + static_cast<std::int64_t>(turn) % kSteps * (kLookEvery / kSteps));
    }
    return all;
}

}  // namespace pinwarden::bench
