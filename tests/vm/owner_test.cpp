// Who owns a pin: program, cgroup and container, as they were when it was made.
#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinner.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

const std::string kContainer = "c0ffee00112233445566778899aabbccddeeff00112233445566778899aabbcc";

// A cgroup below the root of the tree, empty again when it goes.
class Cgroup {
public:
    explicit Cgroup(const std::string& name) : path_("/sys/fs/cgroup/" + name)
    {
        std::filesystem::create_directory(path_);
    }
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup() { rmdir(path_.c_str()); }

    void take(pid_t pid) const { move(path_, pid); }
    void remove(pid_t last) const
    {
        move("/sys/fs/cgroup", last);
        std::filesystem::remove(path_);
    }

private:
    static void move(const std::string& cgroup, pid_t pid)
    {
        std::ofstream procs(cgroup + "/cgroup.procs");
        procs << pid << std::flush;
        REQUIRE(procs.good());
    }

    std::string path_;
};

std::string program_of(pid_t pid)
{
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe").string();
}

std::string copy_of_pinner(const Pinner& pinner, const std::string& name)
{
    const std::string copy = Machine::instance().folder("tmpfs") + "/" + name;
    std::filesystem::copy_file("/proc/" + std::to_string(pinner.pid()) + "/exe", copy);
    return copy;
}

}  // namespace

TEST_CASE("an owner is told with program, group, cgroup and container, also once the cgroup is gone")
{
    Daemon& daemon = Daemon::shared();
    const Cgroup cgroup("docker-" + kContainer + ".scope");
    Pinner pinner(1234);
    cgroup.take(pinner.pid());
    EventWatch watch(daemon.api(), {v1::EVENT_KIND_PIN});
    pinner.ok("memfd contained 65536");
    pinner.ok("pin uring");
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 1);
    const v1::Process owner = pins.front().owner();
    CHECK(owner.uid() == 1234);
    CHECK(owner.gid() == 1234);
    CHECK(owner.cgroup_path() == "/docker-" + kContainer + ".scope");
    CHECK(owner.container_id() == kContainer);
    CHECK(owner.executable() == program_of(pinner.pid()));
    CHECK_FALSE(owner.executable_deleted());
    CHECK_FALSE(pins.front().ranges(0).file().deleted());
    const auto event = watch.wait_for("the pin", [](const auto&) { return true; });
    CHECK(event.pin().owner().container_id() == kContainer);
    CHECK(event.pin().owner().executable() == owner.executable());

    const std::string table = daemon.pinctl("pins").out;
    CHECK(table.find("CONTAINER") != std::string::npos);
    CHECK(table.find(" " + kContainer.substr(0, 12) + " ") != std::string::npos);

    cgroup.remove(pinner.pid());
    CHECK(daemon.api().pins().front().owner().container_id() == kContainer);
    pinner.ok("pin uring 0 4096");
    CHECK(daemon.api().pins().back().owner().cgroup_path() == "/");
    CHECK(daemon.api().pins().back().owner().container_id().empty());
    pinner.ok("release all");
    daemon.expect_nothing_pinned();
}

TEST_CASE("pins keep the program that made them: after an exec, and when process and program are gone")
{
    Daemon& daemon = Daemon::shared();
    Pinner pinner;
    pinner.ok("memfd before 65536");
    const std::string first = program_of(pinner.pid());
    const std::string second = copy_of_pinner(pinner, "second");
    const std::string third = copy_of_pinner(pinner, "third");
    pinner.ok("pin uring");
    const pid_t heir = std::stoi(pinner.ok("heir"));

    pinner.ok("exec " + second);
    pinner.ok("memfd after 32768");
    pinner.ok("pin uring");
    const pid_t other_heir = std::stoi(pinner.ok("heir"));
    pinner.ok("exec " + third);
    REQUIRE(unlink(third.c_str()) == 0);
    pinner.ok("memfd last 4096");
    pinner.ok("pin uring");
    const auto check = [&](const std::vector<v1::Pin>& pins) {
        CHECK(pins.at(0).owner().executable() == first);
        CHECK(pins.at(1).owner().executable() == second);
        CHECK_FALSE(pins.at(1).owner().executable_deleted());
        CHECK(pins.at(0).owner().pid() == pins.at(1).owner().pid());
        CHECK(pins.at(0).owner().start_time() == pins.at(1).owner().start_time());
        CHECK(pins.at(1).owner().comm() == "second");
    };
    const auto pins = daemon.api().pins();
    REQUIRE(pins.size() == 3);
    check(pins);
    CHECK(pins.at(2).owner().executable() == third);
    CHECK(pins.at(2).owner().executable_deleted());

    pinner.kill();
    REQUIRE(unlink(second.c_str()) == 0);
    eventually("the last pin is gone", [&] { return daemon.api().pins().size() == 2; });
    const auto left = daemon.api().pins();
    check(left);
    CHECK(left.at(0).owner().exited());

    REQUIRE(kill(heir, SIGKILL) == 0);
    REQUIRE(kill(other_heir, SIGKILL) == 0);
    eventually("all is gone", [&] { return daemon.api().pins().empty(); });
    daemon.expect_nothing_pinned();
}
