// `pinctl doctor --repair`: what it does is the daemon's program's business, which knows its own files.
#include "cli/mend.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace pinwarden::cli {
namespace {

// As a service it is not in everybody's PATH.
constexpr std::array kPrograms{"pinwardend", "/usr/sbin/pinwardend"};

int start(pid_t& pid, bool to_standard_error)
{
    posix_spawn_file_actions_t files;
    if (const int error = ::posix_spawn_file_actions_init(&files); error != 0) {
        return error;
    }
    int error = to_standard_error ? ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO) : 0;
    std::string program = "pinwardend";
    std::string errand = "--repair";
    std::array<char*, 3> arguments{program.data(), errand.data(), nullptr};
    bool started = false;
    for (const char* const candidate : kPrograms) {
        if (error == 0 && !started) {
            error = ::posix_spawnp(&pid, candidate, &files, nullptr, arguments.data(), environ);
            started = error == 0;
            error = error == ENOENT && candidate != kPrograms.back() ? 0 : error;
        }
    }
    ::posix_spawn_file_actions_destroy(&files);
    return error;
}

}  // namespace

std::expected<void, std::string> mend(bool to_standard_error)
{
    pid_t pid = 0;
    if (const int error = start(pid, to_standard_error); error != 0) {
        return std::unexpected(std::string("cannot run `pinwardend --repair`: ") +
                               std::generic_category().message(error));
    }
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return std::unexpected("`pinwardend --repair` failed: what it said is above");
    }
    return {};
}

}  // namespace pinwarden::cli
