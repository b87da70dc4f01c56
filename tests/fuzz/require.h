// What a fuzzer insists on.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace pinwarden::fuzz {

// Ends the program where it does not hold, which makes libFuzzer keep the input.
inline void require(bool holds, const char* what, std::source_location where = std::source_location::current())
{
    if (!holds) {
        static_cast<void>(
            std::fprintf(stderr, "%s:%u: it does not hold that %s\n", where.file_name(), where.line(), what));
        std::abort();
    }
}

}  // namespace pinwarden::fuzz
