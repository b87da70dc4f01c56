#include "director.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "expectation.h"
#include "support/machine.h"

namespace workload {
namespace {

using namespace pinwarden::test;

constexpr std::chrono::seconds kRound{600};

std::string shell_line(const std::string& script)
{
    const Outcome made = shell(script);
    if (made.status != 0) {
        throw std::runtime_error(script + ": " + made.err);
    }
    return made.out.substr(0, made.out.find('\n'));
}

Places make_places()
{
    Machine& machine = Machine::instance();
    Places places{.tmpfs = machine.folder("tmpfs"),
                  .huge_tmpfs = "/run/workload/huge",
                  .hugetlbfs = "/run/workload/hugetlb",
                  .ext4 = machine.folder("ext4"),
                  .xfs = machine.folder("xfs")};
    shell_line("mkdir -p " + places.huge_tmpfs + " " + places.hugetlbfs);
    shell_line("mount -t tmpfs -o huge=always,size=256M tmpfs " + places.huge_tmpfs);
    shell_line("echo 80 > /proc/sys/vm/nr_hugepages; mount -t hugetlbfs hugetlbfs " + places.hugetlbfs);
    return places;
}

// Of one cause, or of any.
std::uint64_t lost(const pinwarden::v1::GetStatusResponse& status, const std::string& cause = "")
{
    std::uint64_t count = 0;
    for (const auto& loss : status.losses()) {
        count += cause.empty() || loss.cause() == cause ? loss.count() : 0;
    }
    return count;
}

Held parse_held(std::istringstream& words)
{
    Held held;
    words >> held.pid >> held.driver >> held.address >> held.bytes;
    return held;
}

}  // namespace

Director::Director(const Plan& plan) : plan_(plan), random_(plan.seed)
{
    equipment_.places = make_places();
    Machine::instance().rdma("rw");
    std::istringstream vfio(Machine::instance().vfio("rw"));
    std::string group;
    vfio >> group >> group;
    std::vector<std::string> options;
    if (plan.lossy) {
        options.insert(options.end(), {"--ring-size", "64KiB"});
    }
    if (plan.quiet) {
        options.insert(options.end(), {"--quiet-after", "1ms"});
    }
    daemon_ = std::make_unique<Daemon>(options);
    for (unsigned i = 0; i < plan.workers; ++i) {
        members_.push_back(start(i == 0 ? group : ""));
    }
}

Director::Member Director::start(const std::string& vfio_group) const
{
    const Places& places = equipment_.places;
    std::vector<std::string> command{"workload",       "--worker",  places.tmpfs, places.huge_tmpfs,
                                     places.hugetlbfs, places.ext4, places.xfs};
    if (!vfio_group.empty()) {
        command.push_back(vfio_group);
    }
    Member member{std::make_unique<Process>(command), vfio_group};
    if (const std::string line = member.process->read_line(); line != "ready") {
        throw std::runtime_error("a worker did not start: " + line);
    }
    return member;
}

void Director::run()
{
    const std::uint64_t mean = plan_.operations / plan_.stops + 1;
    for (std::uint64_t stop = 1; stop <= plan_.stops || operations_ < plan_.operations; ++stop) {
        run_round(mean / 2 + below(mean + 1));
        stop_and_check(stop);
    }
    members_.clear();
    end_estates();
    check_owners({});
    check_counts({});
    check_losses();
    daemon_->stop();
    print_counts();
}

// All at once; now and then one of them is killed in the middle of it.
void Director::run_round(std::uint64_t operations)
{
    std::optional<Daemon::Paused> paused;
    if (plan_.lossy) {
        paused.emplace(*daemon_);
    }
    for (Member& member : members_) {
        member.process->write_line("run " + std::to_string(random_()) + " " +
                                   std::to_string(operations / members_.size() + 1));
    }
    const std::size_t victim = below(members_.size() * 3);
    for (std::size_t i = 0; i < members_.size(); ++i) {
        // Never the first to be asked, so that it has had some time.
        if (i == victim && i > 0) {
            members_[i].process->signal(SIGKILL);
            members_[i].process->wait();
            ++killed_;
            members_[i] = start(members_[i].vfio_group);
        } else {
            finish_round(members_[i]);
        }
    }
}

void Director::finish_round(Member& member)
{
    std::istringstream words(member.process->read_line(kRound));
    std::string word;
    words >> word;
    if (word != "done") {
        throw std::runtime_error("a worker failed: " + words.str());
    }
    while (words >> word) {
        const auto equals = word.find('=');
        const std::uint64_t count = std::stoull(word.substr(equals + 1));
        counts_[word.substr(0, equals)] += count;
        operations_ += count;
    }
}

// A worker is killed while another process still holds its devices: what it has pinned stays, and stays its own.
void Director::leave_estate()
{
    Member& member = members_[1 + below(members_.size() - 1)];
    Estate estate;
    member.process->write_line("heir");
    estate.heir = std::stoi(member.process->read_line());
    member.process->write_line("report");
    for (std::string line = member.process->read_line(kRound); line != "end";
         line = member.process->read_line(kRound)) {
        std::istringstream words(line);
        estate.held.push_back(parse_held(words));
    }
    member.process->signal(SIGKILL);
    member.process->wait();
    member = start(member.vfio_group);
    estates_.push_back(std::move(estate));
    ++heirs_;
}

void Director::end_estates()
{
    for (const Estate& estate : estates_) {
        kill(estate.heir, SIGKILL);
    }
    estates_.clear();
}

std::vector<Held> Director::expected()
{
    std::vector<Held> all;
    for (const Estate& estate : estates_) {
        all.insert(all.end(), estate.held.begin(), estate.held.end());
    }
    for (const Member& member : members_) {
        member.process->write_line("report");
        for (std::string line = member.process->read_line(kRound); line != "end";
             line = member.process->read_line(kRound)) {
            std::istringstream words(line);
            all.push_back(parse_held(words));
        }
    }
    return all;
}

void Director::stop_and_check(std::uint64_t stop)
{
    if (plan_.lossy) {
        wait_for_repair();
    }
    end_estates();
    if (below(4) == 0) {
        leave_estate();
    }
    const auto held = expected();
    check_owners(held);
    check_counts(held);
    look_whether_quiet();
    std::uint64_t bytes = 0;
    for (const Held& one : held) {
        bytes += one.bytes;
    }
    std::cout << "stop " << stop << ": " << operations_ << " operations, " << held.size() << " registrations of "
              << bytes / 1024 << " KiB, no difference" << std::endl;
}

// How long it takes is printed, not judged: an emulated machine is slow.
void Director::wait_for_repair()
{
    const auto start = std::chrono::steady_clock::now();
    eventually("the ledger is certain again", [&] { return daemon_->api().status().ledger_certain(); });
    const auto took = std::chrono::steady_clock::now() - start;
    longest_repair_ = std::max(longest_repair_, std::chrono::duration_cast<std::chrono::milliseconds>(took));
    ++repairs_;
}

// What was let go by a worker of the kernel's, or of a process that was killed, takes some time to be gone.
void Director::check_owners(const std::vector<Held>& held)
{
    std::string last;
    try {
        eventually("the list of pins is right", [&] {
            const auto status = daemon_->api().status();
            if (!status.ledger_certain()) {
                last = "the ledger is uncertain\n";
                return false;
            }
            const bool exact = !plan_.lossy && lost(status) == 0;
            last = difference(held, daemon_->api().pins(), exact ? Strictness::kExact : Strictness::kNoWrong);
            return last.empty();
        });
    } catch (const std::exception&) {
        throw std::runtime_error("pins and their owners are not what the processes hold:\n" + last +
                                 daemon_->pinctl("status").out + daemon_->pinctl("audit").out + daemon_->messages());
    }
}

// A difference is none of the ledger's while events get lost: what is let go late, by processes that have ended, can
// overflow a ring that is too small.
void Director::check_counts(const std::vector<Held>& held)
{
    constexpr int kMostTries = 10;
    for (int tries = 1; tries <= kMostTries; ++tries) {
        const auto before = daemon_->api().status();
        const auto audit = daemon_->api().audit();
        if (audit.exact() && audit.missing_pins() + audit.surplus_pins() + audit.unsettled_folios() == 0) {
            return;
        }
        const bool knew = !before.ledger_certain() || lost(daemon_->api().status()) != lost(before);
        if (!knew || tries == kMostTries) {
            throw std::runtime_error("the ledger is not what the kernel has:\n" + audit.DebugString() +
                                     daemon_->pinctl("status").out + daemon_->messages());
        }
        check_owners(held);
    }
}

void Director::look_whether_quiet()
{
    const auto status = daemon_->api().status();
    const auto hook = std::ranges::find(status.hooks(), "unpin_user_page", &pinwarden::v1::Hook::name);
    quiet_stops_ += hook != status.hooks().end() && !hook->attached() ? 1U : 0U;
}

// Where events should get lost, some were; where not, none.
void Director::check_losses()
{
    // An interrupt, or from 6.15 on another task, may fall upon a program that it comes to itself: the kernel skips
    // that.
    const auto status = daemon_->api().status();
    const std::uint64_t all = lost(status);
    missed_ = lost(status, "missed_run");
    if (plan_.lossy ? all == 0 : all > missed_ + lost(status, "missed_report")) {
        throw std::runtime_error(std::to_string(all) + " events were lost:\n" + daemon_->pinctl("status").out);
    }
}

void Director::print_counts() const
{
    if (plan_.lossy) {
        std::cout << "made certain again " << repairs_ << " times, within " << longest_repair_.count() << " ms\n";
    }
    if (plan_.quiet) {
        std::cout << "nobody listened to single pages at " << quiet_stops_ << " stops\n";
    }
    for (const auto& [name, count] : counts_) {
        std::cout << name << ' ' << count << '\n';
    }
    std::cout << operations_ << " operations, seed " << plan_.seed << ", " << killed_ << " processes killed at work, "
              << heirs_ << " survived by their pins, " << missed_ << " calls not seen: no difference\n";
}

}  // namespace workload
