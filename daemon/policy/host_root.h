// Where this machine's files are seen from here. A daemon in a container has them below a folder of its own; policies,
// questions and answers name them as the machine does.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace pinwarden {

class HostRoot {
public:
    // They are seen where they are.
    HostRoot() = default;
    // `folder` is absolute; slashes at its end do not count.
    explicit HostRoot(std::string folder);

    // Where a path of the machine's is seen here, as it is written: symbolic links in it lead through here.
    [[nodiscard]] std::string here(const std::string& path) const;
    // And back: nothing for what is not the machine's.
    [[nodiscard]] std::optional<std::string> of_machine(const std::string& here) const;
    // realpath(3) of a path of the machine's, whose links lead through the machine's files wherever they point.
    [[nodiscard]] Result<std::string> real_path(const std::string& path) const;

private:
    std::string folder_;  // empty: none
};

}  // namespace pinwarden
