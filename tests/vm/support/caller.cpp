#include "support/caller.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace pinwarden::test {
namespace {

std::vector<std::string> command(std::vector<std::string> program, const std::vector<std::string>& words)
{
    program.insert(program.end(), words.begin(), words.end());
    return program;
}

// Of one thread; '?' when there is no such file.
char state_in(const std::filesystem::path& stat)
{
    std::ifstream file(stat);
    std::string text;
    std::getline(file, text);
    const auto end = text.rfind(") ");
    return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
}

// Every thread of it.
bool stopped(pid_t pid)
{
    std::error_code gone;
    std::filesystem::directory_iterator threads("/proc/" + std::to_string(pid) + "/task", gone);
    return !gone && std::ranges::all_of(threads, [](const auto& thread) {
        const char state = state_in(thread.path() / "stat");
        return state == 'T' || state == 't';
    });
}

}  // namespace

Caller::Caller(const std::vector<std::string>& words, std::vector<std::string> program)
    : process_(command(std::move(program), words))
{
    const std::string line = process_.read_line();
    if (line != "ready") {
        throw std::runtime_error("caller said \"" + line + "\" instead of \"ready\"");
    }
}

bool Caller::held() const
{
    if (stopped(pid())) {
        return true;
    }
    std::ifstream children("/proc/" + std::to_string(pid()) + "/task/" + std::to_string(pid()) + "/children");
    pid_t child = 0;
    return children >> child && stopped(child);
}

void Caller::expect_held()
{
    eventually("the caller is stopped", [this] {
        if (held()) {
            return true;
        }
        if (!process_.running()) {
            throw std::runtime_error("the operation was not held: it came to " + result());
        }
        return false;
    });
}

std::string Caller::result(unsigned long* counted)
{
    std::istringstream line(process_.read_line());
    std::string result;
    unsigned long number = 0;
    line >> result >> number;
    if (counted != nullptr) {
        *counted = number;
    }
    if (const int status = process_.wait(); status != 0) {
        throw std::runtime_error("caller ended with status " + std::to_string(status) + " after " + result);
    }
    return result;
}

std::string Caller::answer()
{
    std::string line;
    try {
        line = process_.read_line();
    } catch (const std::exception&) {
        return "";
    }
    return line.substr(0, line.find(' '));
}

std::string call(const std::vector<std::string>& words)
{
    return Caller(words).result();
}

std::string stopped_processes()
{
    return shell("grep -lE '^[0-9]+ \\(.*\\) [Tt] ' /proc/[0-9]*/stat 2> /dev/null || true").out;
}

}  // namespace pinwarden::test
