// Has several workers pin and let go at the same time, and stops them again and again to compare what the daemon says
// with what they hold, and with the kernel's own pin counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/daemon.h"
#include "support/process.h"
#include "worker.h"

namespace workload {

struct Plan {
    std::uint64_t seed = 0;
    std::uint64_t operations = 100'000;
    std::uint64_t stops = 50;
    unsigned workers = 5;
    // Runs with a ring that is too small, and the daemon stopped, so that events get lost; the ledger may then not know
    // an owner, but has to equal the kernel's counts again soon after.
    bool lossy = false;
    // Stops listening to releases of pages as soon as every pin is followed by its object.
    bool quiet = false;
};

class Director {
public:
    explicit Director(const Plan& plan);

    // Throws at the first thing that is wrong.
    void run();

private:
    struct Member {
        std::unique_ptr<pinwarden::test::Process> process;
        std::string vfio_group;
    };
    // What was a worker's that is gone, and is held by another process as long as that lives.
    struct Estate {
        pid_t heir = 0;
        std::vector<Held> held;
    };

    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    Member start(const std::string& vfio_group) const;
    void run_round(std::uint64_t operations);
    void finish_round(Member& member);
    void leave_estate();
    void end_estates();
    [[nodiscard]] std::vector<Held> expected();
    void stop_and_check(std::uint64_t stop);
    void wait_for_repair();
    void check_owners(const std::vector<Held>& held);
    void check_counts(const std::vector<Held>& held);
    void look_whether_quiet();
    void check_losses();
    void print_counts() const;

    Plan plan_;
    std::mt19937_64 random_;
    Worker::Equipment equipment_;
    std::unique_ptr<pinwarden::test::Daemon> daemon_;
    std::vector<Member> members_;
    std::vector<Estate> estates_;
    std::map<std::string, std::uint64_t> counts_;
    std::uint64_t operations_ = 0;
    std::uint64_t killed_ = 0;
    std::uint64_t heirs_ = 0;
    std::uint64_t missed_ = 0;
    std::uint64_t quiet_stops_ = 0;
    std::uint64_t repairs_ = 0;
    std::chrono::milliseconds longest_repair_{0};
};

}  // namespace workload
