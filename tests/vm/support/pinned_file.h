// A file with pins, and the process that holds them.
#pragma once

#include <sys/types.h>

#include <string>

#include "support/pinner.h"

namespace pinwarden::test {

struct PinnedFile {
    static constexpr off_t kSize = 65536;  // 16 pages, of which 4 to 7 are pinned

    // On "ext4", "xfs" or "tmpfs"; each page full of 0x41.
    explicit PinnedFile(const std::string& filesystem);

    // Whether nothing was taken away.
    [[nodiscard]] bool whole();

    std::string path;
    Pinner pinner;
};

}  // namespace pinwarden::test
