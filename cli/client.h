// Carries a command out: asks pinwardend, prints the answer.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>

#include "cli/arguments.h"
#include "cli/text.h"

namespace pinwarden::cli {

struct Streams {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    bool progress = false;  // how far something is may be shown on `err`, in a line that is written over
    // How wide the terminal is now; empty where that does not change.
    std::function<std::size_t()> columns = {};
};

// The exit code: 0, or 1 after one message on `err`. Lines on `out` fit the columns that `style` has, unless
// `arguments` are to have them whole.
int run(const Arguments& arguments, const Streams& streams, const Style& style);

}  // namespace pinwarden::cli
