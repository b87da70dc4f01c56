#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "support/temporary_folder.h"

namespace pinwarden::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAskAgain{10};
constexpr int kSignalled = 128;

[[noreturn]] void throw_errno(const std::string& what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

struct Pipe {
    Pipe()
    {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw_errno("pipe");
        }
        read = OwnedFd(ends[0]);
        write = OwnedFd(ends[1]);
    }
    OwnedFd read;
    OwnedFd write;
};

class FileActions {
public:
    FileActions() { posix_spawn_file_actions_init(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
    void duplicate(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
    void write_to(const std::string& path, int to)
    {
        posix_spawn_file_actions_addopen(&actions_, to, path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

// posix_spawn rather than fork: this process has gRPC's threads.
pid_t spawn(const std::vector<std::string>& command, const FileActions& actions)
{
    std::vector<char*> arguments;
    for (const std::string& word : command) {
        arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT: what posix_spawn asks for
    }
    arguments.push_back(nullptr);
    pid_t pid = -1;
    const int error = posix_spawnp(&pid, arguments.front(), actions.get(), nullptr, arguments.data(), environ);
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), "start " + command.front());
    }
    return pid;
}

int status_of(int wait_status)
{
    return WIFSIGNALED(wait_status) ? kSignalled + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

std::string content_of(const std::string& path)
{
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

void eventually(const std::string& what, const std::function<bool()>& holds, std::chrono::seconds deadline)
{
    const auto end = Clock::now() + deadline;
    while (!holds()) {
        if (Clock::now() > end) {
            throw std::runtime_error("waited in vain: " + what);
        }
        std::this_thread::sleep_for(kAskAgain);
    }
}

Outcome run(const std::vector<std::string>& command)
{
    const TemporaryFolder folder;
    FileActions actions;
    actions.write_to(folder.file("out"), STDOUT_FILENO);
    actions.write_to(folder.file("err"), STDERR_FILENO);
    const pid_t pid = spawn(command, actions);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            throw_errno("wait for " + command.front());
        }
    }
    return {status_of(status), content_of(folder.file("out")), content_of(folder.file("err"))};
}

Outcome shell(const std::string& script)
{
    return run({"bash", "-c", "set -euo pipefail\n" + script});
}

Process::Process(const std::vector<std::string>& command, const std::string& error_file)
{
    Pipe in;
    Pipe out;
    FileActions actions;
    actions.duplicate(in.read.get(), STDIN_FILENO);
    actions.duplicate(out.write.get(), STDOUT_FILENO);
    if (!error_file.empty()) {
        actions.write_to(error_file, STDERR_FILENO);
    }
    pid_ = spawn(command, actions);
    in_ = std::move(in.write);
    out_ = std::move(out.read);
}

Process::~Process()
{
    if (!ended_) {
        kill(pid_, SIGKILL);
        [[maybe_unused]] const bool reaped = reap(0);
    }
}

void Process::write_line(const std::string& line)
{
    const std::string text = line + "\n";
    if (::write(in_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw_errno("write to process " + std::to_string(pid_));
    }
}

std::string Process::read_line(std::chrono::seconds within)
{
    const auto deadline = Clock::now() + within;
    for (;;) {
        if (const auto end = unread_.find('\n'); end != std::string::npos) {
            std::string line = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            return line;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd waiting{.fd = out_.get(), .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
            throw std::runtime_error("process " + std::to_string(pid_) + " did not answer in time");
        }
        std::array<char, 4096> buffer{};
        const ssize_t got = read(out_.get(), buffer.data(), buffer.size());
        if (got == 0 || (got < 0 && errno != EINTR)) {
            throw std::runtime_error("process " + std::to_string(pid_) + " ended instead of answering");
        }
        unread_.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
}

void Process::signal(int number) const
{
    if (kill(pid_, number) != 0) {
        throw_errno("signal process " + std::to_string(pid_));
    }
}

void Process::pause() const
{
    signal(SIGSTOP);
    siginfo_t ignored{};
    // Returns when the last thread has stopped.
    if (waitid(P_PID, static_cast<id_t>(pid_), &ignored, WSTOPPED) != 0) {
        throw_errno("wait for process " + std::to_string(pid_) + " to stop");
    }
}

void Process::resume() const
{
    signal(SIGCONT);
}

bool Process::reap(int options)
{
    int status = 0;
    if (!ended_ && waitpid(pid_, &status, options) == pid_) {
        ended_ = true;
        status_ = status_of(status);
    }
    return ended_;
}

bool Process::running()
{
    return !reap(WNOHANG);
}

int Process::wait()
{
    eventually("process " + std::to_string(pid_) + " ends", [this] { return !running(); });
    return status_;
}

}  // namespace pinwarden::test
