// What this machine calls itself.
#pragma once

#include <unistd.h>

#include <array>
#include <string>

namespace pinwarden {

// Empty when it has no name.
inline std::string host_name()
{
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace pinwarden
