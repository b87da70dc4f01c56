#include "proc/pidfd_signals.h"

#include <sys/syscall.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "support/child_process.h"

namespace pinwarden::test {
namespace {

using Kind = SignalOutcome::Kind;

ProcessId this_process()
{
    const auto pid = static_cast<std::uint32_t>(getpid());
    return {pid, read_process_stat(pid).value().start_ticks * kTick};
}

}  // namespace

TEST_CASE("the process that is meant is signalled, and no other", "[signals]")
{
    PidfdSignals signals(true);
    ChildProcess victim;
    const ChildProcess bystander;
    const auto outcome = signals.send(victim.id(), SIGTERM);
    REQUIRE(outcome);
    CHECK(outcome->kind == Kind::kSent);
    CHECK(victim.wait() == SIGTERM);
    CHECK(bystander.lives());
}

TEST_CASE("another process with the pid is left alone", "[signals]")
{
    PidfdSignals signals(true);
    const ChildProcess child;
    ProcessId earlier = child.id();
    earlier.start_time -= kTick;
    CHECK(signals.send(earlier, SIGKILL)->kind == Kind::kGone);
    ProcessId later = child.id();
    later.start_time += kTick;
    CHECK(signals.send(later, SIGKILL)->kind == Kind::kGone);
    CHECK(signals.facts(earlier).error().code == ESRCH);
    CHECK(child.lives());
}

TEST_CASE("a process that has ended is gone", "[signals]")
{
    PidfdSignals signals(true);
    ChildProcess child;
    const ProcessId id = child.id();
    child.end();
    CHECK(signals.send(id, SIGTERM)->kind == Kind::kGone);
    CHECK(signals.facts(id).error().code == ESRCH);
    CHECK(child.wait() == SIGKILL);
    CHECK(signals.send(id, SIGTERM)->kind == Kind::kGone);
    CHECK(signals.facts(id).error().code == ESRCH);
}

TEST_CASE("the id of a thread is no process", "[signals]")
{
    PidfdSignals signals(true);
    ProcessId thread = this_process();
    std::jthread([&] {
        thread.pid = static_cast<std::uint32_t>(gettid());
        CHECK(signals.send(thread, SIGWINCH)->kind == Kind::kGone);
    }).join();
}

TEST_CASE("some are never signalled, whatever is known of them", "[signals]")
{
    PidfdSignals signals(true);
    std::vector<std::pair<ProcessId, std::string>> table = {
        {{0, 0}, "it is not known which process it is"},
        {{1, 0}, "pid 1 keeps the machine running"},
        {this_process(), "it is this daemon"},
    };
    if (getppid() > 1) {
        table.push_back({{static_cast<std::uint32_t>(getppid()), 0}, "it is the parent of this daemon"});
    }
    for (const auto& [process, reason] : table) {
        INFO(reason);
        // One that does no harm if it is sent after all.
        const auto outcome = signals.send(process, SIGWINCH);
        REQUIRE(outcome);
        CHECK(outcome->kind == Kind::kRefused);
        CHECK(outcome->reason == reason);
    }
}

TEST_CASE("kernel threads are refused", "[signals]")
{
    // kthreadd, where it can be seen.
    const auto stat = read_process_stat(2);
    if (!stat || !stat->kernel_thread()) {
        return;
    }
    PidfdSignals signals(true);
    const ProcessId process{2, stat->start_ticks * kTick};
    const auto outcome = signals.send(process, SIGWINCH);
    REQUIRE(outcome);
    CHECK(outcome->kind == Kind::kRefused);
    CHECK(outcome->reason == "it is a kernel thread");
    CHECK(signals.facts(process)->kernel_thread);
}

TEST_CASE("what is no signal is an error", "[signals]")
{
    PidfdSignals signals(true);
    const ChildProcess child;
    CHECK(signals.send(child.id(), 0).error().code == EINVAL);
    CHECK(signals.send(child.id(), SIGRTMAX + 1).error().code == EINVAL);
    CHECK(child.lives());
}

TEST_CASE("nobody is signalled where pids mean other processes", "[signals]")
{
    PidfdSignals signals(false);
    const ChildProcess child;
    const auto outcome = signals.send(child.id(), SIGKILL);
    REQUIRE(outcome);
    CHECK(outcome->kind == Kind::kRefused);
    CHECK_THAT(outcome->reason, Catch::Contains("pid namespace"));
    CHECK(signals.facts(child.id()).error().code == ENOTSUP);
    CHECK(child.lives());
}

TEST_CASE("a process is known by its facts", "[signals]")
{
    PidfdSignals signals(true);
    const ChildProcess child;
    const std::string executable = std::filesystem::read_symlink("/proc/self/exe");
    const auto facts = signals.facts(child.id());
    REQUIRE(facts);
    CHECK(facts->process == child.id());
    CHECK(facts->parent == static_cast<std::uint32_t>(getpid()));
    CHECK(facts->uid == geteuid());
    CHECK(facts->executable == executable);
    CHECK(facts->executable_owner.has_value());
    CHECK_FALSE(facts->kernel_thread);
    CHECK_FALSE(facts->exiting);
    CHECK(facts->kin == Kin::kNone);
    CHECK(signals.facts(this_process())->kin == Kin::kSelf);
}

TEST_CASE("a process whose first thread has ended still has its executable", "[signals]")
{
    PidfdSignals signals(true);
    int ready[2] = {};
    REQUIRE(pipe(ready) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        begin_child();
        std::thread([&] {
            const auto parent = static_cast<std::uint32_t>(getpid());
            while (read_process_stat(parent)->state != 'Z') {
                std::this_thread::yield();
            }
            [[maybe_unused]] const ssize_t wrote = write(ready[1], "x", 1);
            while (true) {
                pause();
            }
        }).detach();
        syscall(SYS_exit, 0);  // this thread alone
    }
    REQUIRE(pid > 0);
    close(ready[1]);
    char byte = 0;
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    const auto id = static_cast<std::uint32_t>(pid);
    const ProcessId process{id, read_process_stat(id).value().start_ticks * kTick};
    const auto facts = signals.facts(process);
    CHECK((facts && !facts->executable.empty()));
    CHECK((facts && !facts->exiting));
    CHECK(signals.send(process, SIGTERM)->kind == Kind::kSent);
    int status = 0;
    waitpid(pid, &status, 0);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
}

}  // namespace pinwarden::test
