// What each kernel makes of the programs, beside what it made of them when that was written down: tests/data/probe.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "support/process.h"

using namespace pinwarden::test;

namespace {

struct Verdict {
    std::string verified;  // a number, or "-"
    std::string rest;      // hook, or why not
};

// By program.
std::map<std::string, Verdict> read_table(std::istream& table)
{
    std::map<std::string, Verdict> verdicts;
    std::string line;
    std::getline(table, line);
    while (std::getline(table, line)) {
        std::istringstream words(line);
        std::string program;
        std::string purpose;
        Verdict verdict;
        words >> program >> purpose >> verdict.verified >> std::ws;
        std::getline(words, verdict.rest);
        verdict.rest = purpose + " " + verdict.rest;
        verdicts[program] = verdict;
    }
    return verdicts;
}

// "6.12" for "6.12.95+deb12-amd64"; what is newer is "latest".
std::string series()
{
    const std::string release = shell("uname -r").out;
    for (const std::string known : {"6.1", "6.12"}) {
        if (release.starts_with(known + ".")) {
            return known;
        }
    }
    return "latest";
}

}  // namespace

TEST_CASE("each program is taken or left out as it was, and none has become much longer to verify")
{
    // Kernels of one series differ a little.
    constexpr double kMore = 1.1;
    const std::string path = std::string(PINWARDEN_SOURCE_DIR) + "/tests/data/probe/" + series() + ".txt";
    INFO("to accept: ./dev vm " << series() << " -- pinwardend --probe > " << path);
    std::ifstream file(path);
    REQUIRE(file.good());
    const auto before = read_table(file);
    const Outcome probe = shell("pinwardend --probe");
    REQUIRE(probe.status == 0);
    std::istringstream table(probe.out);
    const auto now = read_table(table);
    CHECK(now.size() > 60);
    CHECK(now.size() == before.size());
    for (const auto& [program, verdict] : now) {
        INFO(program);
        REQUIRE(before.contains(program));
        const Verdict& was = before.at(program);
        CHECK(verdict.rest == was.rest);
        if (verdict.verified == "-" || was.verified == "-") {
            CHECK(verdict.verified == was.verified);
        } else {
            CHECK(std::stod(verdict.verified) <= kMore * std::stod(was.verified));
        }
    }
}
