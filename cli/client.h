// Carries a command out: asks pinwardend, prints the answer.
#pragma once

#include <iosfwd>

#include "cli/arguments.h"
#include "cli/text.h"

namespace pinwarden::cli {

struct Streams {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    bool progress = false;  // how far something is may be shown on `err`, in a line that is written over
};

// The exit code: 0, or 1 after one message on `err`.
int run(const Arguments& arguments, const Streams& streams, const Style& style);

}  // namespace pinwarden::cli
