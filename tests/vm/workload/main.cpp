// Mixes everything that pins, lets go and disturbs, at random, in several processes, and checks the ledger against what
// they hold and against the kernel's own counts. To be run as root in a guest; a seed that failed can be run again:
//   workload [--seed N] [--operations N] [--stops N] [--workers N] [--lossy]
#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <random>
#include <sstream>

#include "director.h"
#include "holder.h"
#include "worker.h"

namespace workload {
namespace {

void leave_heir()
{
    const pid_t heir = fork();
    if (heir == 0) {
        // What stays open is the devices; standard input and output belong to the one that is gone.
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        pause();
        _exit(0);
    }
    std::cout << heir << std::endl;
}

void answer_run(Worker& worker, std::istringstream& words)
{
    std::uint64_t seed = 0;
    std::uint64_t count = 0;
    words >> seed >> count;
    const auto counts = worker.run(seed, count);
    if (!counts) {
        std::cout << "failed " << counts.error().message << std::endl;
        return;
    }
    std::cout << "done";
    for (const auto& [name, times] : *counts) {
        std::cout << ' ' << name << '=' << times;
    }
    std::cout << std::endl;
}

int work(const std::vector<std::string>& places)
{
    if (places.size() < 5) {
        std::cout << "five folders are wanted" << std::endl;
        return 2;
    }
    const Worker::Equipment equipment{
        .places = {places[0], places[1], places[2], places[3], places[4]},
        .vfio_group = places.size() > 5 ? places[5] : "",
    };
    auto worker = Worker::create(equipment);
    if (!worker) {
        std::cout << worker.error().message << std::endl;
        return 1;
    }
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string verb;
        words >> verb;
        if (verb == "run") {
            answer_run(**worker, words);
        } else if (verb == "report") {
            for (const Held& held : (*worker)->report()) {
                std::cout << to_string(held) << '\n';
            }
            std::cout << "end" << std::endl;
        } else {
            leave_heir();
        }
    }
    return 0;
}

int direct(Plan plan)
{
    plan.quiet = plan.quiet || (!plan.lossy && plan.seed % 2 == 1);
    std::cout << "seed " << plan.seed << ": " << plan.operations << " operations of " << plan.workers
              << " processes, stopped " << plan.stops << " times" << (plan.lossy ? ", losing events" : "")
              << (plan.quiet ? ", listening to single pages only while it is needed" : "") << std::endl;
    try {
        Director(plan).run();
    } catch (const std::exception& error) {
        std::cout << error.what() << "\nFAILED, seed " << plan.seed << std::endl;
        return 1;
    }
    return 0;
}

}  // namespace
}  // namespace workload

int main(int count, char** arguments)
try {
    workload::Plan plan{.seed = std::random_device{}()};
    std::vector<std::string> places;
    bool hold = false;
    CLI::App app("Pins, lets go and disturbs at random, and checks what pinwardend says about it.", "workload");
    app.add_option("--seed", plan.seed, "where the random numbers start; printed, to run the same again");
    app.add_option("--operations", plan.operations, "how many, in all")->check(CLI::PositiveNumber);
    app.add_option("--stops", plan.stops, "how often everything rests and is compared")->check(CLI::PositiveNumber);
    app.add_option("--workers", plan.workers, "how many processes")->check(CLI::Range(2, 32));
    app.add_flag("--lossy", plan.lossy, "with a ring that is too small, and the daemon stopped meanwhile");
    app.add_flag("--quiet", plan.quiet,
                 "with releases of pages listened to only while a pin needs it; also by itself, with every other seed");
    app.add_option("--worker", places, "be one of the processes")->group("");
    app.add_flag("--hold", hold, "be a process that only holds what it has")->group("");
    CLI11_PARSE(app, count, arguments);
    if (hold) {
        return workload::hold_until_told();
    }
    return places.empty() ? workload::direct(plan) : workload::work(places);
} catch (const std::exception& error) {
    std::cerr << "workload: " << error.what() << '\n';
    return 2;
}
