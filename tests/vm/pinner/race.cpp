#include "race.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <new>

#include "base/fd.h"

namespace pinner {
namespace {

using pinwarden::OwnedFd;
using pinwarden::system_error;

constexpr off_t kBystanderBytes = 4096;

// A number that only grows, in memory that two processes share. std::atomic's own wait() is for threads.
class Counter {
public:
    void set(std::uint32_t value)
    {
        value_ = value;
        syscall(SYS_futex, &value_, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    [[nodiscard]] std::uint32_t get() const { return value_; }

    // Watches closely at first, so that nothing lies between the other's step and ours; then sleeps, because with as
    // many processors as processes, on a busy host, the other one may be waiting for the processor we watch with.
    void wait_for(std::uint32_t value)
    {
        constexpr int kLooks = 2000;
        for (int i = 0; i < kLooks; ++i) {
            if (value_ >= value) {
                return;
            }
        }
        for (std::uint32_t seen = value_; seen < value; seen = value_) {
            syscall(SYS_futex, &value_, FUTEX_WAIT, seen, nullptr, nullptr, 0);
        }
    }

private:
    std::atomic<std::uint32_t> value_ = 0;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);

// What the two processes share.
struct Shared {
    Counter step;    // tells whose turn it is; for run_at_will, its last two bits are a State
    Counter rounds;  // run_at_will: of the truncating process
    std::atomic<bool> stop = false;
    RaceResult result;
};

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
    void wait()
    {
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

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
enum State : std::uint32_t { kFree = 0, kPinning = 1, kPinned = 2, kReleasing = 3, kStates = 4 };

void truncate_at_will(Shared& shared, const Memory& memory)
{
    const Truncator truncator(memory, shared.result);
    for (std::uint64_t turn = 0; !shared.stop; ++turn) {
        const std::uint32_t before = shared.step.get();
        const auto state = static_cast<State>(before % kStates);
        const int error = state == kPinning ? 0 : truncator.truncate(turn);
        const bool steady = shared.step.get() == before;
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
        shared.rounds.set(shared.rounds.get() + 1);
    }
}

// Begins a state, and stays in it until the other process has begun and ended a round in it.
void enter(Shared& shared, State state)
{
    shared.step.set((shared.step.get() / kStates + 1) * kStates + state);
    if (state != kReleasing) {
        shared.rounds.wait_for(shared.rounds.get() + 2);
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
    constexpr std::uint32_t kSteps = 4;
    const SharedPage page;
    Shared& shared = *page;
    Child child([&] {
        Truncator truncator(memory, shared.result);
        for (std::uint32_t turn = 0; turn < count; ++turn) {
            shared.step.wait_for(turn * kSteps + 1);
            truncator.while_pinned(turn, marker_of(turn));
            shared.step.set(turn * kSteps + 2);
            shared.step.wait_for(turn * kSteps + 3);
            truncator.while_free(turn);
            shared.step.set(turn * kSteps + 4);
        }
    });
    if (!child.started()) {
        return std::unexpected(system_error("fork", errno));
    }
    for (std::uint32_t turn = 0; turn < count; ++turn) {
        memory.bytes().front() = marker_of(turn);
        memory.bytes().back() = marker_of(turn);
        auto registration = device.pin(memory.bytes(), access);
        if (!registration) {
            return std::unexpected(registration.error().within("turn " + std::to_string(turn)));
        }
        shared.step.set(turn * kSteps + 1);
        shared.step.wait_for(turn * kSteps + 2);
        registration->reset();
        shared.step.set(turn * kSteps + 3);
        shared.step.wait_for(turn * kSteps + 4);
    }
    return shared.result;
}

Result<RaceResult> run_at_will(Device& device, Access access, const Memory& memory, std::uint64_t count)
{
    const SharedPage page;
    Shared& shared = *page;
    Child child([&] { truncate_at_will(shared, memory); });
    if (!child.started()) {
        return std::unexpected(system_error("fork", errno));
    }
    for (std::uint64_t turn = 0; turn < count; ++turn) {
        enter(shared, kPinning);
        auto registration = device.pin(memory.bytes(), access);
        if (!registration) {
            return std::unexpected(registration.error().within("turn " + std::to_string(turn)));
        }
        enter(shared, kPinned);
        enter(shared, kReleasing);
        registration->reset();
        enter(shared, kFree);
    }
    shared.stop = true;
    child.wait();
    return shared.result;
}

}  // namespace pinner
