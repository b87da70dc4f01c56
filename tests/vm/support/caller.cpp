#include "support/caller.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace pinwarden::test {
namespace {

std::vector<std::string> command(const std::vector<std::string>& words)
{
    std::vector<std::string> all{"caller"};
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

// '?' when there is no such process.
char state_of(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const auto end = text.rfind(") ");
    return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
}

bool stopped(pid_t pid)
{
    const char state = state_of(pid);
    return state == 'T' || state == 't';
}

}  // namespace

Caller::Caller(const std::vector<std::string>& words) : process_(command(words))
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

std::string call(const std::vector<std::string>& words)
{
    return Caller(words).result();
}

}  // namespace pinwarden::test
