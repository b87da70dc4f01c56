// What is mended of what daemons left, and what is not touched.
#include "app/repair.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ledger/ledger.h"
#include "recording/checkpoint.h"
#include "vm/support/temporary_folder.h"

using namespace pinwarden;
using namespace pinwarden::test;
namespace fs = std::filesystem;

namespace {

struct Machine {
    TemporaryFolder folder;
    RepairPlaces places{.kept = folder.file("kept"), .state = folder.file("state"), .proc = folder.file("proc")};

    Machine()
    {
        for (const std::string& path : {places.kept + "/links", places.state, places.proc}) {
            fs::create_directories(path);
        }
        process(1, "systemd");
    }

    void process(int pid, const std::string& comm) const
    {
        fs::create_directories(places.proc + "/" + std::to_string(pid));
        std::ofstream(places.proc + "/" + std::to_string(pid) + "/comm") << comm << "\n";
    }
    void daemon(int pid, std::chrono::minutes age) const
    {
        process(pid, "pinwardend");
        fs::last_write_time(places.proc + "/" + std::to_string(pid), fs::file_time_type::clock::now() - age);
    }
    void set(const std::string& name) const { put(places.kept + "/links/" + name + "/truncate_enter", "link"); }
    static void put(const std::string& path, const std::string& text)
    {
        fs::create_directories(fs::path(path).parent_path());
        std::ofstream(path) << text;
    }
    [[nodiscard]] bool has_set(const std::string& name) const { return fs::exists(places.kept + "/links/" + name); }
};

bool says(const std::vector<std::string>& lines, const std::string& part)
{
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("where all is well nothing is mended")
{
    const Machine machine;
    machine.daemon(700, std::chrono::minutes(9));
    machine.set("700");
    Machine::put(machine.places.kept + "/holds", "map");
    Machine::put(machine.places.state + "/pins", checkpoint_of({.geometry = {0, 64}}, Ledger()));
    Machine::put(machine.places.state + "/policies.yaml", "kept");
    const auto repaired = repair(machine.places);
    REQUIRE(repaired.has_value());
    CHECK(repaired->done.empty());
    CHECK(repaired->left.empty());
    CHECK(machine.has_set("700"));
}

TEST_CASE("what a daemon left in force stays while none runs, and somebody is told")
{
    const Machine machine;
    machine.set("600");
    const auto repaired = repair(machine.places);
    REQUIRE(repaired.has_value());
    CHECK(repaired->done.empty());
    CHECK(says(repaired->left, "start pinwardend"));
    CHECK(machine.has_set("600"));
}

TEST_CASE("what a daemon left in force stays while the next one may still need it, and is removed after that")
{
    const Machine machine;
    const bool old = GENERATE(true, false);
    machine.daemon(700, std::chrono::minutes(old ? 9 : 0));
    machine.set("600");
    machine.set("700");
    const auto repaired = repair(machine.places);
    REQUIRE(repaired.has_value());
    CHECK(machine.has_set("600") != old);
    CHECK(machine.has_set("700"));
    CHECK(says(old ? repaired->done : repaired->left, "/links/600"));
}

TEST_CASE("another program with the number of a daemon that is gone is not taken for it")
{
    const Machine machine;
    machine.process(600, "sshd");
    machine.daemon(700, std::chrono::minutes(9));
    machine.set("600");
    REQUIRE(repair(machine.places).has_value());
    CHECK_FALSE(machine.has_set("600"));
}

TEST_CASE("what is no set, and what nothing is called, is removed")
{
    const Machine machine;
    machine.set("12x");
    Machine::put(machine.places.kept + "/strange/x", "y");
    const auto repaired = repair(machine.places);
    REQUIRE(repaired.has_value());
    CHECK(repaired->done.size() == 2);
    CHECK_FALSE(machine.has_set("12x"));
    CHECK_FALSE(fs::exists(machine.places.kept + "/strange"));
}

TEST_CASE("a damaged file of pins is put aside, one of another version is the next daemon's")
{
    const Machine machine;
    const std::string pins = machine.places.state + "/pins";
    std::string text = checkpoint_of({.geometry = {0, 64}}, Ledger());
    SECTION("damaged")
    {
        text.back() = static_cast<char>(text.back() ^ 1);
        Machine::put(pins, text);
        const auto repaired = repair(machine.places);
        REQUIRE(repaired.has_value());
        CHECK(says(repaired->done, "damaged"));
        CHECK_FALSE(fs::exists(pins));
        CHECK(fs::exists(pins + ".damaged"));
    }
    SECTION("another version")
    {
        ++text[std::string("pinwarden pins\n").size()];
        Machine::put(pins, text);
        const auto repaired = repair(machine.places);
        REQUIRE(repaired.has_value());
        CHECK(repaired->done.empty());
        CHECK(fs::exists(pins));
    }
}

TEST_CASE("a file where the state's folder should be is put aside, and what was not finished is removed")
{
    const Machine machine;
    SECTION("a file")
    {
        fs::remove_all(machine.places.state);
        Machine::put(machine.places.state, "what");
        REQUIRE(repair(machine.places).has_value());
        CHECK_FALSE(fs::exists(machine.places.state));
        CHECK(fs::exists(machine.places.state + ".damaged"));
    }
    SECTION("not finished")
    {
        Machine::put(machine.places.state + "/pins.new", "half");
        REQUIRE(repair(machine.places).has_value());
        CHECK_FALSE(fs::exists(machine.places.state + "/pins.new"));
    }
}
