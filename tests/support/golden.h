// What pinctl prints, word for word, against files in tests/data/golden: see tests/data/README.md.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "cli/client.h"

namespace pinwarden::test {

inline const std::filesystem::path kTestData = std::filesystem::path(PINWARDEN_SOURCE_DIR) / "tests" / "data";

// Terminals that are compared.
inline constexpr std::size_t kNarrow = 80;
inline constexpr std::size_t kBroad = 200;

// What the command prints where lines may take so many columns (0: no terminal), what it says on standard error, and
// how it ends. Lines may be wider all the same.
inline std::string unfitted(const std::vector<std::string>& words, std::size_t columns)
{
    const auto parsed = cli::parse_arguments(words, "");
    REQUIRE(std::holds_alternative<cli::Arguments>(parsed));
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const int status = cli::run(std::get<cli::Arguments>(parsed), {in, out, err}, {.columns = columns});
    return out.str() + (err.str().empty() ? "" : "--- messages\n" + err.str()) + "--- status " +
           std::to_string(status) + "\n";
}

// The same, and a line that is wider fails the test.
inline std::string printed(const std::vector<std::string>& words, std::size_t columns = 0)
{
    std::string text = unfitted(words, columns);
    std::istringstream lines(text.substr(0, text.find("--- messages\n")));
    for (std::string line; columns != 0 && std::getline(lines, line);) {
        INFO(line);
        CHECK(cli::width(line) <= columns);
    }
    return text;
}

inline std::string content(const std::filesystem::path& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// With PINWARDEN_ACCEPT_GOLDEN in the environment the file becomes what is printed now.
inline void compare(const std::filesystem::path& golden, const std::string& now)
{
    if (std::getenv("PINWARDEN_ACCEPT_GOLDEN") != nullptr) {  // NOLINT(concurrency-mt-unsafe): tests have one thread
        std::filesystem::create_directories(golden.parent_path());
        std::ofstream(golden, std::ios::binary) << now;
        return;
    }
    INFO(golden.string());
    CHECK(now == content(golden));
}

}  // namespace pinwarden::test
