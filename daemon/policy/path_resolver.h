// The real PathResolver: statx(2) and /proc/self/mountinfo.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/policy_set.h"

namespace pinwarden {

// One line of /proc/self/mountinfo, as far as it is needed.
struct Mount {
    std::uint64_t id = 0;
    std::uint32_t device = 0;  // of the file system itself, kernel encoding
    std::string mountpoint;    // octal escapes undone
};

// Lines that do not parse are skipped: a kernel may add fields, but these come first.
std::vector<Mount> parse_mountinfo(const std::string& text);

class SystemPathResolver final : public PathResolver {
public:
    Result<ResolvedPath> resolve(const std::string& path) override;
};

}  // namespace pinwarden
