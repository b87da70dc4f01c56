#include "support/pinner.h"

#include <csignal>
#include <sstream>
#include <stdexcept>

namespace pinwarden::test {
namespace {

std::vector<std::string> as_user(unsigned uid)
{
    const std::string number = std::to_string(uid);
    return {"setpriv", "--reuid", number, "--regid", number, "--clear-groups", "pinner"};
}

}  // namespace

Pinner::Pinner(unsigned uid) : process_(as_user(uid)) {}

std::string Pinner::answer(const std::string& command, std::chrono::seconds within)
{
    process_.write_line(command);
    return process_.read_line(within);
}

std::string Pinner::ok(const std::string& command, std::chrono::seconds within)
{
    const std::string line = answer(command, within);
    if (line == "ok") {
        return "";
    }
    if (!line.starts_with("ok ")) {
        throw std::runtime_error("pinner: " + command + ": " + line);
    }
    return line.substr(3);
}

std::string Pinner::error(const std::string& command)
{
    const std::string line = answer(command, kDeadline);
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word != "error") {
        throw std::runtime_error("pinner: " + command + " was to fail: " + line);
    }
    words >> word;
    return word;
}

std::map<std::string, std::uint64_t> Pinner::race(const std::string& command, std::chrono::seconds within)
{
    std::istringstream words(ok(command, within));
    std::map<std::string, std::uint64_t> numbers;
    for (std::string word; words >> word;) {
        const auto equals = word.find('=');
        numbers[word.substr(0, equals)] = std::stoull(word.substr(equals + 1));
    }
    return numbers;
}

void Pinner::kill()
{
    process_.signal(SIGKILL);
    process_.wait();
}

void Pinner::end()
{
    process_.close_input();
    process_.wait();
}

}  // namespace pinwarden::test
