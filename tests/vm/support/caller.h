// Drives the program `caller` (see tests/vm/caller/main.cpp): a file operation by a process of its own.
#pragma once

#include <string>
#include <vector>

#include "support/process.h"

namespace pinwarden::test {

class Caller {
public:
    // Starts it, and waits until it is about to call. `program` is what starts it, if it is not to be started plainly.
    explicit Caller(const std::vector<std::string>& words, std::vector<std::string> program = {"caller"});

    // Of the process that was started; what calls may be its child.
    [[nodiscard]] pid_t pid() const { return process_.pid(); }
    void signal(int number) const { process_.signal(number); }
    // Waits until the process, or its only child, is stopped: throws when the operation ends before.
    void expect_held();
    [[nodiscard]] bool held() const;
    // Whether there is no answer yet.
    [[nodiscard]] bool waiting() { return process_.running(); }
    // What the operation came to: "ok" or the errno's name. `counted` gets the number beside it.
    std::string result(unsigned long* counted = nullptr);
    // The same of one that stays, or is killed before it could: empty then.
    std::string answer();
    int wait() { return process_.wait(); }

private:
    Process process_;
};

// Starts it and waits for what it comes to.
std::string call(const std::vector<std::string>& words);

// Paths, in /proc, of all processes of the machine that are stopped, a line each.
std::string stopped_processes();

}  // namespace pinwarden::test
