// The one who reads what hooks report: pinwardend, if it runs.
#pragma once

#include <vector>

#include "base/fd.h"

namespace pinwarden::bench {

class Reader {
public:
    // Of the daemon that runs now. Throws std::runtime_error.
    Reader();

    // Waits until all is read that was reported so far, and all else is done that was left for later. Takes a moment
    // when nobody reads, too.
    void catch_up() const;

private:
    [[nodiscard]] bool behind() const;

    std::vector<OwnedFd> rings_;
};

}  // namespace pinwarden::bench
