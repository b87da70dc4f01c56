// What a process cannot do any more once it has forbidden it to itself. Each time in a child.
#include "app/confinement.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "support/child_process.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// The status of a child that does this; 0: it came to its end and all was as it should be.
int in_child(const std::function<bool()>& act)
{
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        begin_child();
        _exit(act() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool is_forbidden(long result)
{
    return result == -1 && errno == EPERM;
}

bool all_are_forbidden()
{
    const std::array<char*, 2> arguments{const_cast<char*>("true"), nullptr};  // NOLINT: execve() takes it so
    return is_forbidden(execve("/bin/true", arguments.data(), arguments.data())) &&
           is_forbidden(mount("none", "/", nullptr, MS_REMOUNT, nullptr)) && is_forbidden(unshare(CLONE_NEWNS)) &&
           is_forbidden(syscall(SYS_finit_module, -1, "", 0)) && is_forbidden(setuid(getuid())) &&
           is_forbidden(syscall(SYS_process_vm_writev, getpid(), nullptr, 0, nullptr, 0, 0)) &&
           is_forbidden(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

std::string status_line(const std::string& name)
{
    std::ifstream file("/proc/thread-self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name + ":")) {
            return line.substr(line.find_first_not_of(" \t", name.size() + 1));
        }
    }
    return {};
}

}  // namespace

TEST_CASE("system calls that are forbidden fail in every thread, also one that was there before, and others do not")
{
    CHECK(in_child([] {
              if (all_are_forbidden() || !keep_capabilities(kGuardianCapabilities)) {
                  return false;
              }
              bool confined = false;
              std::array<int, 2> ends{};
              if (pipe(ends.data()) != 0) {
                  return false;
              }
              std::jthread before([&] {
                  char word = 0;
                  confined = read(ends[0], &word, 1) == 1 && all_are_forbidden();
              });
              const bool forbidden = forbid_system_calls().has_value();
              const bool told = write(ends[1], "x", 1) == 1;
              before.join();
              return forbidden && told && confined && all_are_forbidden() && status_line("Seccomp") == "2" &&
                     status_line("NoNewPrivs") == "1" && getpid() > 0 && std::ifstream("/proc/self/stat").good();
          }) == 0);
}

TEST_CASE("capabilities that are not kept are gone, and those that were not there are not missed")
{
    CHECK(in_child([] {
              if (!keep_capabilities(kGuardianCapabilities)) {
                  return false;
              }
              const std::uint64_t had = std::stoull(status_line("CapEff"), nullptr, 16);
              const std::uint64_t allowed = 1ULL << CAP_SYS_PTRACE | 1ULL << CAP_KILL;
              return (had & ~allowed) == 0 && status_line("CapEff") == status_line("CapPrm") &&
                     std::stoull(status_line("CapInh"), nullptr, 16) == 0;
          }) == 0);
}
