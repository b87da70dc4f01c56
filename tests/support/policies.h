// Policies as text.
#pragma once

#include <string>

namespace pinwarden::test {

inline std::string policy_named(const std::string& name)
{
    return "name: " + name + "\nmode: monitor\nmatch: {operations: [truncate]}\naction: {deny: {errno: EPERM}}\n";
}

}  // namespace pinwarden::test
