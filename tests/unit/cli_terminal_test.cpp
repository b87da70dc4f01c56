// pinctl's idea of the terminal, on a real one of this machine.
#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <utility>

using namespace pinwarden::cli;

namespace {

// Both ends of a pseudo-terminal.
class Terminal {
public:
    Terminal() : outer_(::posix_openpt(O_RDWR | O_NOCTTY))
    {
        REQUIRE(outer_ >= 0);
        REQUIRE(::grantpt(outer_) == 0);
        REQUIRE(::unlockpt(outer_) == 0);
        inner_ = ::open(::ptsname(outer_), O_RDWR | O_NOCTTY);  // NOLINT(concurrency-mt-unsafe): tests have one thread
        REQUIRE(inner_ >= 0);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal()
    {
        ::close(inner_);
        ::close(outer_);
    }

    [[nodiscard]] int file() const { return inner_; }
    void resize(unsigned short columns) const
    {
        const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        REQUIRE(::ioctl(outer_, TIOCSWINSZ, &size) == 0);
    }

private:
    int outer_;
    int inner_ = -1;
};

}  // namespace

TEST_CASE("a terminal is as wide as it says, or as COLUMNS says")
{
    const Terminal terminal;
    // As a serial line, which says nothing.
    CHECK(terminal_columns(terminal.file(), "") == 80);
    terminal.resize(132);
    CHECK(terminal_columns(terminal.file(), "") == 132);
    terminal.resize(61);
    CHECK(terminal_columns(terminal.file(), "") == 61);
    CHECK(terminal_columns(terminal.file(), "200") == 200);
    for (const char* senseless : {"0", "-3", "many", "80x", "99999999999999999999"}) {
        CHECK(terminal_columns(terminal.file(), senseless) == 61);
    }
}

TEST_CASE("what is no terminal has no width, whatever COLUMNS says")
{
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    CHECK(terminal_columns(fileno(file), "80") == 0);
    CHECK(terminal_columns(fileno(file), "") == 0);
    static_cast<void>(std::fclose(file));
}

TEST_CASE("what is left out is shown as the character set allows")
{
    for (const auto& [locale, ellipsis] : {std::pair{"C.UTF-8", "\u2026"}, {"C", "..."}}) {
        REQUIRE(setenv("LC_ALL", locale, 1) == 0);  // NOLINT(concurrency-mt-unsafe): tests have one thread
        CHECK(ellipsis_of_locale() == ellipsis);
    }
    unsetenv("LC_ALL");  // NOLINT(concurrency-mt-unsafe): tests have one thread
}
