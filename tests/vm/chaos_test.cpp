// Faults of every kind, in random order, while others pin, let go, truncate and wait; after each the promises hold.
// From a seed: PINWARDEN_CHAOS_SEED, or a new one, which is printed; PINWARDEN_CHAOS_ROUNDS of them, or each fault
// once.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"
#include "support/temporary_folder.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

std::uint64_t number_of(const char* variable, std::uint64_t otherwise)
{
    const char* const text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): before there are threads
    return text == nullptr ? otherwise : std::stoull(text);
}

// Truncates a file without pause, which is never to succeed.
class Truncating {
public:
    explicit Truncating(const std::string& path)
        : process_({"bash", "-c",
                    "while :; do if read -t 0; then read -r line || exit; echo \"$line\"; fi; truncate -s 16384 " +
                        path + " 2> /dev/null && echo through; done"})
    {
    }
    // So far none succeeded.
    void expect_none()
    {
        process_.write_line("asked");
        CHECK(process_.read_line() == "asked");
    }

private:
    Process process_;
};

// One who pins and lets go as it comes. What it holds is known.
class Churner {
public:
    explicit Churner(std::string path) : path_(std::move(path)) { begin(); }

    void act(std::mt19937_64& random)
    {
        switch (random() % 6) {
            case 0:
            case 1:
            case 2: {
                const std::uint64_t page = random() % 12;
                pinner_->ok("pin " + device(random) + " " + std::to_string(page * 4096) + " 16384");
                ++pins_;
                break;
            }
            case 3:
                if (pins_ > 0) {
                    pinner_->ok("release");
                    --pins_;
                }
                break;
            case 4:
                pinner_->ok("release all");
                pins_ = 0;
                break;
            default:
                pinner_->kill();
                begin();
                break;
        }
    }

    // Lets go of everything; then nothing keeps a truncate from its file.
    void end_pins()
    {
        pinner_->ok("release all");
        pins_ = 0;
    }

    [[nodiscard]] std::uint64_t pins() const { return pins_; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    void begin()
    {
        pins_ = 0;
        pinner_.emplace();
        pinner_->ok("file " + path_ + " 65536");
    }
    static std::string device(std::mt19937_64& random)
    {
        return random() % 2 == 0 ? "uring" : Machine::instance().rdma("rw");
    }

    std::string path_;
    std::optional<Pinner> pinner_;
    std::uint64_t pins_ = 0;
};

class World {
public:
    explicit World(std::uint64_t seed) : random_(seed)
    {
        make_policies();
        REQUIRE(shell("mount -t tmpfs -o size=8m tmpfs " + state_.file("")).status == 0);
        daemon_.emplace(options());
        for (int i = 0; i < 3; ++i) {
            churners_.push_back(std::make_unique<Churner>(Machine::instance().folder("tmpfs") + "/churn"));
        }
        daemon_->wait_for_census();  // what is kept was pinned before
        truncating_ = std::make_unique<Truncating>(kept_.path);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() { shell("umount -l " + state_.file("")); }

    void work()
    {
        for (std::uint64_t steps = 4 + random_() % 12; steps > 0; --steps) {
            churners_[random_() % churners_.size()]->act(random_);
        }
    }

    // Faults, each with what mends it.
    void kill_daemon()
    {
        hold_somebody();
        end_daemon(SIGKILL);
        expect_let_go({"ok"});  // as if there were no policy: it is not to be kept
        work();
        daemon_.emplace(options());
    }
    void kill_daemon_and_guardian()
    {
        hold_somebody();
        REQUIRE(shell("kill -STOP " + std::to_string(daemon_->pid())).status == 0);
        REQUIRE(shell("pkill -KILL -x pinwarden-guard").status == 0);
        end_daemon(SIGKILL);
        work();
        // Who was left stopped is the next daemon's first care.
        daemon_.emplace(options());
        expect_let_go({"EBUSY", "ok"});
    }
    void pause_daemon()
    {
        hold_somebody();
        const Daemon::Paused paused(*daemon_);
        work();
        truncating_->expect_none();
    }
    void upgrade()
    {
        hold_somebody();
        work();
        daemon_->stop();
        expect_let_go({"EBUSY"});
        work();
        daemon_.emplace(options());
    }
    void shrink_ring()
    {
        daemon_->stop();
        ring_ = "4KiB";
        daemon_.emplace(options());
        for (int i = 0; i < 10; ++i) {
            work();
        }
        ring_ = "1MiB";
        daemon_->stop();
        daemon_.emplace(options());
    }
    void remove_pinned_objects()
    {
        shell("rm -rf /sys/fs/bpf/pinwarden/*");
        work();
        truncating_->expect_none();
        daemon_->stop();
        daemon_.emplace(options());
    }
    void fill_disk()
    {
        hold_somebody();
        shell("head -c 16M /dev/zero > " + state_.file("fill") + " || true");
        CHECK_THROWS(daemon_->api().apply(to_yaml({.name = "late", .operations = "punch_hole"})));
        work();
        truncating_->expect_none();
        shell("rm " + state_.file("fill"));
        eventually("a policy is kept again", [&] {
            try {
                daemon_->api().apply(to_yaml({.name = "late", .operations = "punch_hole"}));
                return true;
            } catch (const std::exception&) {
                return false;
            }
        });
        daemon_->api().remove("late");
    }
    void set_clock()
    {
        hold_somebody();
        REQUIRE(shell(random_() % 2 == 0 ? "date -s '+400 days'" : "date -s '-400 days'").status == 0);
        work();
        for (const auto& caller : held_) {
            CHECK(caller->held());
        }
    }
    void kill_owner_of_held()
    {
        hold_somebody();
        blocking_->pinner.kill();
        expect_let_go({"ok"});
    }

    void expect_promises()
    {
        let_go();
        truncating_->expect_none();
        CHECK(kept_.whole());
        CHECK(kill(bystander_.pid(), 0) == 0);
        CHECK(stopped_processes().empty());
        // What is pinned is what its owners hold, and what the kernel counts. Of pins from before a start only their
        // pages are known, not how many calls it were.
        std::uint64_t expected = 1;
        for (const auto& churner : churners_) {
            expected += churner->pins();
        }
        try {
            eventually("the ledger has all pins and no others",
                       [&] { return daemon_->api().status().pinned_bytes() == expected * 16384 && ledger_certain(); });
        } catch (const std::exception& error) {
            FAIL(error.what() << ": expected " << expected << "\n"
                              << daemon_->pinctl("status").out << daemon_->pinctl("pins").out);
        }
        Outcome audit;
        eventually("the ledger is what the kernel counts", [&] {
            audit = daemon_->pinctl("audit");
            return audit.status == 0;
        });
        // After the last release nothing is in the way.
        Churner& one = *churners_[random_() % churners_.size()];
        one.end_pins();
        CHECK(try_truncate(one.path(), 65536 + 4096) == 0);
        CHECK(try_truncate(one.path(), 65536) == 0);
    }

private:
    void make_policies()
    {
        const std::string folder = kept_.path.substr(0, kept_.path.rfind('/'));
        shell("mkdir " + policies_.file("d"));
        write(policies_.file("d/1.yaml"),
              to_yaml({.name = "kept", .match = "file: {path_prefixes: [" + folder + "]}", .when_unattended = "keep"}));
        write(policies_.file("d/2.yaml"), to_yaml({.name = "held",
                                                   .match = "file: {path_prefixes: [" + hold_folder_ + "]}",
                                                   .action = "hold: {timeout: 10m, fallback: deny}"}));
        // So that churned files are denied, and let go of, as well.
        write(policies_.file("d/3.yaml"), to_yaml({.name = "others"}));
    }
    static void write(const std::string& path, const std::string& text)
    {
        REQUIRE(shell("cat > " + path + " << 'E'\n" + text + "\nE\n").status == 0);
    }
    [[nodiscard]] std::vector<std::string> options() const
    {
        return {"--policy",    policies_.file("d"),  "--ring-size", ring_,
                "--state-dir", state_.file("state"), "--audit-log", state_.file("audit.log")};
    }
    [[nodiscard]] bool ledger_certain()
    {
        return daemon_->pinctl("status").out.find("Ledger    certain") != std::string::npos;
    }

    // A file whose truncate is held, and callers that are.
    void hold_somebody()
    {
        blocking_ = std::make_unique<Blocking>(hold_folder_);
        for (std::uint64_t count = 1 + random_() % 3; count > 0; --count) {
            held_.push_back(std::make_unique<Caller>(std::vector<std::string>{"truncate", blocking_->path, "16384"}));
            held_.back()->expect_held();
        }
    }
    void expect_let_go(const std::vector<std::string>& outcomes)
    {
        for (const auto& caller : held_) {
            const std::string result = caller->result();
            INFO("the caller's truncate came to " << result);
            CHECK(std::ranges::find(outcomes, result) != outcomes.end());
        }
        held_.clear();
        blocking_.reset();
    }
    // Whoever still waits does so for pins that are let go now.
    void let_go()
    {
        if (blocking_) {
            blocking_->pinner.ok("release all");
            expect_let_go({"ok", "EBUSY"});
        }
    }
    void end_daemon(int signal)
    {
        REQUIRE(shell("kill -" + std::to_string(signal) + " " + std::to_string(daemon_->pid())).status == 0);
        daemon_.reset();
    }

    struct Blocking {
        explicit Blocking(const std::string& folder) : path(folder + "/blocking")
        {
            make_file(path, 65536);
            pinner.ok("file " + path + " 65536");
            pinner.ok("pin " + Machine::instance().rdma("rw") + " 16384 16384");
        }
        std::string path;
        Pinner pinner;
    };

    std::mt19937_64 random_;
    const TemporaryFolder policies_;
    const TemporaryFolder state_;
    std::string ring_ = "1MiB";
    PinnedFile kept_ = PinnedFile("tmpfs");
    const std::string hold_folder_ = Machine::instance().folder("tmpfs");
    std::optional<Daemon> daemon_;
    std::vector<std::unique_ptr<Churner>> churners_;
    std::unique_ptr<Truncating> truncating_;
    Process bystander_ = Process({"sleep", "infinity"});
    std::unique_ptr<Blocking> blocking_;
    std::vector<std::unique_ptr<Caller>> held_;
};

struct Fault {
    const char* name;
    void (World::*happens)();
};

constexpr std::array kFaults{
    Fault{"the daemon is killed", &World::kill_daemon},
    Fault{"the daemon is killed with its guardian", &World::kill_daemon_and_guardian},
    Fault{"the daemon stands still", &World::pause_daemon},
    Fault{"the daemon is exchanged", &World::upgrade},
    Fault{"the ring is too small", &World::shrink_ring},
    Fault{"what is kept in the BPF file system is removed", &World::remove_pinned_objects},
    Fault{"the disk is full", &World::fill_disk},
    Fault{"the clock is set", &World::set_clock},
    Fault{"the owner is killed while somebody waits for it", &World::kill_owner_of_held},
};

}  // namespace

TEST_CASE("whatever goes wrong, in whatever order, the promises hold after it", "[chaos]")
{
    Daemon::stop_shared();
    const std::uint64_t seed = number_of("PINWARDEN_CHAOS_SEED", std::random_device()());
    const std::uint64_t rounds = number_of("PINWARDEN_CHAOS_ROUNDS", kFaults.size());
    std::printf("chaos: seed %llu, %llu rounds\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(rounds));
    std::mt19937_64 order(seed);
    World world(seed);
    world.work();
    world.expect_promises();
    std::vector<Fault> faults;
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        if (faults.empty()) {
            faults.assign(kFaults.begin(), kFaults.end());
            std::ranges::shuffle(faults, order);
        }
        const Fault fault = faults.back();
        faults.pop_back();
        std::printf("chaos: round %llu: %s\n", static_cast<unsigned long long>(round), fault.name);
        static_cast<void>(std::fflush(stdout));
        INFO("seed " << seed << ", round " << round << ": " << fault.name);
        world.work();
        (world.*fault.happens)();
        world.expect_promises();
    }
}
