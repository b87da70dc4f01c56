// Drives the program `pinner` (see tests/vm/pinner/main.cpp for its commands).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/process.h"

namespace pinwarden::test {

class Pinner {
public:
    Pinner() : process_({"pinner"}) {}
    // As another user.
    explicit Pinner(unsigned uid);

    [[nodiscard]] pid_t pid() const { return process_.pid(); }
    // What follows the "ok". Throws when the command failed.
    std::string ok(const std::string& command, std::chrono::seconds within = kDeadline);
    // The errno's name. Throws when the command did not fail.
    std::string error(const std::string& command);
    // `race` and `storm`: the numbers by name.
    std::map<std::string, std::uint64_t> race(const std::string& command,
                                              std::chrono::seconds within = std::chrono::seconds(300));
    // What it has pinned is let go by the kernel.
    void kill();
    // Its status, once it has ended by itself or by a signal.
    int wait() { return process_.wait(); }
    // Closes its input: it lets go and ends.
    void end();

private:
    std::string answer(const std::string& command, std::chrono::seconds within);

    Process process_;
};

}  // namespace pinwarden::test
