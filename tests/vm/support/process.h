// Programs that a test starts, and waiting for what they do.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace pinwarden::test {

// Long enough for an emulated machine on a busy host: reached only when something is broken.
inline constexpr std::chrono::seconds kDeadline{60};

// Asks again and again, where nobody tells, until `holds` does. Throws, naming `what`, after the deadline.
void eventually(const std::string& what, const std::function<bool()>& holds, std::chrono::seconds deadline = kDeadline);

struct Outcome {
    int status = 0;  // exit status, or 128 + signal
    std::string out;
    std::string err;
};

// Runs a program to its end.
Outcome run(const std::vector<std::string>& command);
// The same with bash; `set -euo pipefail` is on.
Outcome shell(const std::string& script);

// A program that runs meanwhile. What it is started with must be in PATH. Ends, by force, with this object.
class Process {
public:
    // With an empty `error_file`, its messages go where ours go.
    explicit Process(const std::vector<std::string>& command, const std::string& error_file = "");
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    void write_line(const std::string& line);
    void close_input() { in_.reset(); }
    // The next line of its standard output. Throws when there is none before it ends, or `within` passes.
    std::string read_line(std::chrono::seconds within = kDeadline);
    void signal(int number) const;
    // Has it stop at once, every thread of it, and waits until it has.
    void pause() const;
    void resume() const;
    [[nodiscard]] bool running();
    // Waits until it has ended by itself or by a signal; its status as in Outcome. Throws after kDeadline.
    int wait();

private:
    [[nodiscard]] bool reap(int options);

    pid_t pid_ = -1;
    OwnedFd in_;
    OwnedFd out_;
    std::string unread_;
    bool ended_ = false;
    int status_ = 0;
};

}  // namespace pinwarden::test
