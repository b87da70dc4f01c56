#include "race.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <new>

#include "base/fd.h"

namespace pinner {
namespace {

using pinwarden::fail;
using pinwarden::OwnedFd;
using pinwarden::system_error;

constexpr off_t kBystanderBytes = 4096;

// What the two processes share. `step` tells whose turn it is; for run_at_will, its last two bits are a State.
struct Shared {
    std::atomic<std::uint64_t> step = 0;
    std::atomic<std::uint64_t> rounds = 0;  // of the truncating process
    std::atomic<bool> stop = false;
    RaceResult result;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// std::atomic's own wait() works between threads only.
void wait_for_step(const Shared& shared, std::uint64_t step)
{
    while (shared.step.load() < step) {
        sched_yield();
    }
}

// A child process that ends with this object, and never outlives this process.
class Child {
public:
    explicit Child(const std::function<void()>& work) : pid_(fork())
    {
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work();
            _exit(0);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child()
    {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
    }
    [[nodiscard]] bool started() const { return pid_ > 0; }

private:
    pid_t pid_;
};

class SharedPage {
public:
    SharedPage() : address_(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
    {
        new (address_) Shared;
    }
    SharedPage(const SharedPage&) = delete;
    SharedPage& operator=(const SharedPage&) = delete;
    ~SharedPage() { munmap(address_, sizeof(Shared)); }
    Shared& operator*() const { return *static_cast<Shared*>(address_); }

private:
    void* address_;
};

// The process that truncates.
class Truncator {
public:
    Truncator(const Memory& memory, RaceResult& result)
        : path_(memory.path()),
          full_(static_cast<off_t>(memory.bytes().size())),
          fd_(open(path_.c_str(), O_RDWR | O_CLOEXEC)),
          bystander_(memory.path().starts_with("/proc/")
                         ? memfd_create("bystander", MFD_CLOEXEC)
                         : open((path_ + ".bystander").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)),
          result_(result)
    {
    }

    // Each way to make a file shorter in turn, each to another size.
    [[nodiscard]] int truncate(std::uint64_t turn) const
    {
        switch (turn % 3) {
            case 0: return ftruncate(fd_.get(), size_at(turn)) == 0 ? 0 : errno;
            case 1: return ::truncate(path_.c_str(), size_at(turn)) == 0 ? 0 : errno;
            default: return OwnedFd(open(path_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)).valid() ? 0 : errno;
        }
    }

    void while_pinned(std::uint64_t turn, std::byte marker)
    {
        const int error = truncate(turn);
        if (error == 0) {
            ++result_.got_through;
            restore();
        } else if (error != EBUSY) {
            ++result_.other_errors;
        } else {
            ++result_.denied;
            result_.damaged += intact(marker) ? 0U : 1U;
        }
        const bool other_file =
            ftruncate(bystander_.get(), 0) == 0 && ftruncate(bystander_.get(), kBystanderBytes) == 0;
        result_.bystander_refused += other_file ? 0U : 1U;
    }

    void while_free(std::uint64_t turn)
    {
        const int error = truncate(turn);
        if (error == 0 && file_size() == size_at(turn)) {
            ++result_.allowed;
        } else if (error == EBUSY) {
            ++result_.refused;
        } else {
            ++result_.other_errors;
        }
        restore();
    }

    void restore() const { [[maybe_unused]] const int grown = ftruncate(fd_.get(), full_); }

private:
    [[nodiscard]] off_t size_at(std::uint64_t turn) const
    {
        return turn % 3 == 2 ? 0 : static_cast<off_t>(turn * 1237) % full_;
    }
    [[nodiscard]] off_t file_size() const
    {
        struct stat status{};
        return fstat(fd_.get(), &status) == 0 ? status.st_size : -1;
    }
    [[nodiscard]] bool intact(std::byte marker) const
    {
        std::byte first{};
        std::byte last{};
        return file_size() == full_ && pread(fd_.get(), &first, 1, 0) == 1 && first == marker &&
               pread(fd_.get(), &last, 1, full_ - 1) == 1 && last == marker;
    }

    std::string path_;
    off_t full_;
    OwnedFd fd_;
    OwnedFd bystander_;
    RaceResult& result_;
};

std::byte marker_of(std::uint64_t turn)
{
    return static_cast<std::byte>(turn | 1U);
}

// run_at_will: what the pinning process is doing. While it pins, the other one rests: a truncate that is under way when
// pages are pinned may take them from the file just after they were looked up, and what is pinned is not the file's
// then.
enum State : std::uint64_t { kFree = 0, kPinning = 1, kPinned = 2, kReleasing = 3, kStates = 4 };

void truncate_at_will(Shared& shared, const Memory& memory)
{
    const Truncator truncator(memory, shared.result);
    for (std::uint64_t turn = 0; !shared.stop; ++turn) {
        const std::uint64_t before = shared.step;
        const State state = static_cast<State>(before % kStates);
        const int error = state == kPinning ? 0 : truncator.truncate(turn);
        const bool steady = shared.step == before;
        if (error == 0) {
            truncator.restore();
        }
        if (error != 0 && error != EBUSY) {
            ++shared.result.other_errors;
        } else if (steady && state == kPinned) {
            ++(error == EBUSY ? shared.result.denied : shared.result.got_through);
        } else if (steady && state == kFree) {
            ++(error == EBUSY ? shared.result.refused : shared.result.allowed);
        }
        ++shared.rounds;
    }
    shared.stop = false;
}

void enter(Shared& shared, State state)
{
    const std::uint64_t now = shared.step;
    shared.step = (now / kStates + 1) * kStates + state;
}

// Stays in a state until the other process has begun and ended a round in it.
void linger(const Shared& shared)
{
    const std::uint64_t enough = shared.rounds + 2;
    while (shared.rounds < enough) {
        sched_yield();
    }
}

}  // namespace

std::string to_string(const RaceResult& result)
{
    return "denied=" + std::to_string(result.denied) + " got_through=" + std::to_string(result.got_through) +
           " damaged=" + std::to_string(result.damaged) + " other_errors=" + std::to_string(result.other_errors) +
           " allowed=" + std::to_string(result.allowed) + " refused=" + std::to_string(result.refused) +
           " bystander_refused=" + std::to_string(result.bystander_refused);
}

Result<RaceResult> run_in_turns(Device& device, Access access, const Memory& memory, std::uint64_t count)
{
    constexpr std::uint64_t kSteps = 4;
    const SharedPage page;
    Shared& shared = *page;
    const Child child([&] {
        Truncator truncator(memory, shared.result);
        for (std::uint64_t turn = 0; turn < count; ++turn) {
            wait_for_step(shared, turn * kSteps + 1);
            truncator.while_pinned(turn, marker_of(turn));
            shared.step = turn * kSteps + 2;
            wait_for_step(shared, turn * kSteps + 3);
            truncator.while_free(turn);
            shared.step = turn * kSteps + 4;
        }
    });
    if (!child.started()) {
        return std::unexpected(system_error("fork", errno));
    }
    for (std::uint64_t turn = 0; turn < count; ++turn) {
        memory.bytes().front() = marker_of(turn);
        memory.bytes().back() = marker_of(turn);
        auto registration = device.pin(memory.bytes(), access);
        if (!registration) {
            return std::unexpected(registration.error().within("turn " + std::to_string(turn)));
        }
        shared.step = turn * kSteps + 1;
        wait_for_step(shared, turn * kSteps + 2);
        registration->reset();
        shared.step = turn * kSteps + 3;
        wait_for_step(shared, turn * kSteps + 4);
    }
    return shared.result;
}

Result<RaceResult> run_at_will(Device& device, Access access, const Memory& memory, std::uint64_t count)
{
    const SharedPage page;
    Shared& shared = *page;
    const Child child([&] { truncate_at_will(shared, memory); });
    if (!child.started()) {
        return std::unexpected(system_error("fork", errno));
    }
    for (std::uint64_t turn = 0; turn < count; ++turn) {
        enter(shared, kPinning);
        linger(shared);
        auto registration = device.pin(memory.bytes(), access);
        if (!registration) {
            return std::unexpected(registration.error().within("turn " + std::to_string(turn)));
        }
        enter(shared, kPinned);
        linger(shared);
        enter(shared, kReleasing);
        registration->reset();
        enter(shared, kFree);
        linger(shared);
    }
    shared.stop = true;
    while (shared.stop) {
        sched_yield();
    }
    return shared.result;
}

}  // namespace pinner
