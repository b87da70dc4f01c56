// What the daemon is measured with, in a process of its own: gRPC's threads are not in its way.
//   pinwarden_daemon_load pace RATE SECONDS   pins and lets go, when it is told to by a line of input; prints events
//   and
//                                             nanoseconds
//   pinwarden_daemon_load keep PAGES          pins so many, prints how many extents they are, and lets go with the next
//                                             line of input
//   pinwarden_daemon_load gone TURNS          prints how long held truncates waited, in nanoseconds: see held.h
//   pinwarden_daemon_load resolved TURNS
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/held.h"
#include "daemon/keep.h"
#include "daemon/pace.h"

namespace {

void say(const std::string& line)
{
    std::cout << line << std::endl;  // NOLINT(performance-avoid-endl): somebody waits for it
}

void wait_for_line()
{
    std::string line;
    std::getline(std::cin, line);
}

void run(const std::vector<std::string>& words)
{
    using namespace pinwarden::bench;
    const std::string& job = words.at(0);
    if (job == "pace") {
        const Paced done = pin_at(std::stoull(words.at(1)), std::stoll(words.at(2)), [] {
            say("ready");
            wait_for_line();
        });
        say(fmt::format("{} {}", done.events, done.nanoseconds));
    } else if (job == "keep") {
        const Kept kept(std::stoull(words.at(1)));
        say(fmt::format("{}", kept.extents()));
        wait_for_line();
    } else if (job == "gone" || job == "resolved") {
        const std::size_t turns = std::stoull(words.at(1));
        for (const std::int64_t waited : job == "gone" ? until_gone(turns) : until_resolved(turns)) {
            say(fmt::format("{}", waited));
        }
    } else {
        throw std::runtime_error("no such job: " + job);
    }
}

}  // namespace

int main(int argc, char** argv)
try {
    run({argv + 1, argv + argc});
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "pinwarden_daemon_load: {}\n", error.what());
    return 1;
}
