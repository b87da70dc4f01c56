// What is generated from pinctl's command line, read by the programs it is for.
#include <catch2/catch.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <variant>

#include "app/command_line.h"
#include "cli/arguments.h"
#include "support/publish_fixtures.h"

using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

std::string printed(std::vector<std::string> arguments)
{
    const auto parsed = parse_arguments(std::move(arguments), "");
    REQUIRE(std::holds_alternative<Early>(parsed));
    CHECK(std::get<Early>(parsed).exit_code == 0);
    return std::get<Early>(parsed).text;
}

// Standard output and error output; the status has to be 0.
std::string output_of(const std::string& command)
{
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");  // NOLINT(cert-env33-c): the test's own words
    REQUIRE(pipe != nullptr);
    std::string text;
    std::array<char, 4096> part{};
    for (std::size_t got = 0; (got = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
        text.append(part.data(), got);
    }
    CHECK(pclose(pipe) == 0);
    return text;
}

struct Script {
    explicit Script(const std::string& text) { std::ofstream(path) << text; }

    TemporaryFolder folder;
    std::string path = folder.file("script");
};

// What bash offers after these words, of which the last is being written.
std::string offered(const std::string& words)
{
    const Script script(printed({"completion", "bash"}));
    const std::string count = "$((${#COMP_WORDS[@]} - 1))";
    return output_of("bash -c 'source " + script.path + "; COMP_WORDS=(pinctl " + words + "); COMP_CWORD=" + count +
                     "; _pinctl; echo \" ${COMPREPLY[*]} \"'");
}

}  // namespace

TEST_CASE("bash completes commands, options, and the words that they take")
{
    CHECK_THAT(offered("\"\""),
               Catch::Contains(" status ") && Catch::Contains(" policy ") && Catch::Contains(" --json "));
    CHECK(offered("pol") == " policy \n");
    CHECK_THAT(offered("policy \"\""),
               Catch::Contains(" apply ") && Catch::Contains(" mode ") && !Catch::Contains(" status "));
    CHECK_THAT(offered("policy apply --v"), Catch::Contains(" --validate-only "));
    CHECK_THAT(offered("pins --"), Catch::Contains(" --driver ") && Catch::Contains(" --socket "));
    CHECK(offered("pins --by c") == " cgroup comm container \n");
    CHECK_THAT(offered("policy mode keep e"), Catch::Contains(" enforce "));
    // What an option takes is no command, nor completed with one.
    CHECK_THAT(offered("--socket policy p"), Catch::Contains(" pins "));
    CHECK(offered("pins --pid p") == "  \n");
}

TEST_CASE("zsh and fish read what is for them")
{
    const Script zsh(printed({"completion", "zsh"}));
    CHECK(output_of("zsh -n " + zsh.path).empty());
    const Script fish(printed({"completion", "fish"}));
    CHECK(output_of("fish --no-execute " + fish.path).empty());
    const std::string offers = output_of("fish -c 'source " + fish.path +
                                         "; complete -C \"pinctl policy mode keep \"; complete -C \"pinctl pol\"'");
    CHECK_THAT(offers, Catch::Contains("enforce") && Catch::Contains("policy"));
}

TEST_CASE("the daemon's manual page has every option it knows, and troff finds nothing wrong with it")
{
    const std::array<const char*, 2> words{"pinwardend", "--manual"};
    const auto line = pinwarden::parse_command_line(static_cast<int>(words.size()), words.data());
    REQUIRE_FALSE(line);
    CHECK(line.error().status == 0);
    const Script script(line.error().text);
    CHECK(output_of("groff -man -ww -z " + script.path).empty());
    const std::string read = output_of("groff -man -Tascii -P-cbou " + script.path);
    for (const char* const word : {"PINWARDEND(8)", "--check-config", "--replay FILE", "SIGNALS", "pinctl(1)"}) {
        INFO(word);
        CHECK_THAT(read, Catch::Contains(word));
    }
    for (const pinwarden::OptionSpec& option : pinwarden::option_table()) {
        INFO(option.name);
        CHECK_THAT(read, Catch::Contains("--" + std::string(option.name)));
    }
    CHECK_THAT(read, !Catch::Contains("--manual"));
}

TEST_CASE("the manual page has every command and option, and troff finds nothing wrong with it")
{
    const std::string page = printed({"manual"});
    const Script script(page);
    CHECK(output_of("groff -man -ww -z " + script.path).empty());
    const std::string read = output_of("groff -man -Tascii -P-cbou " + script.path);
    for (const char* const word :
         {"PINCTL(1)", "policy apply", "--validate-only", "leaks [INTERVAL] [COUNT]", "EXIT STATUS", "pinwardend(8)"}) {
        INFO(word);
        CHECK_THAT(read, Catch::Contains(word));
    }
    // Who builds the package asks for it; nobody else has to know.
    CHECK_THAT(printed({"--help"}), !Catch::Contains("manual"));
}
