// What tests of rendered text have in common.
#pragma once

#include <cstdlib>
#include <ctime>

#include "cli/text.h"

namespace pinwarden::test {

inline const cli::Style kPlain{};
inline const cli::Style kColoured{.colours = true};

// Times are shown in UTC from its construction on.
struct Utc {
    Utc()
    {
        setenv("TZ", "UTC", 1);  // NOLINT: tests have one thread here
        tzset();
    }
};

}  // namespace pinwarden::test
