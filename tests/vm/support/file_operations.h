// Every file operation that policies can be about, on pages that are pinned.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace pinwarden::test {

// As the program `caller` takes it; of a PinnedFile it meets pinned pages.
struct Way {
    std::string operation;
    std::string policy;  // what a policy calls it
    std::vector<std::string> arguments;
};

const std::vector<Way>& ways();
// Those that a file system has, for "ext4", "xfs" and "tmpfs".
std::vector<std::pair<std::string, Way>> possible_ways();
// The words for `caller`.
std::vector<std::string> words(const Way& way, const std::string& path);

}  // namespace pinwarden::test
