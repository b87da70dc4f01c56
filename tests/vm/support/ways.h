// Every way to take pages away from a file, as `caller` does them, to a file as PinnedFile makes it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace pinwarden::test {

struct Way {
    std::string operation;               // what `caller` calls it
    std::string policy;                  // what a policy calls it
    std::vector<std::string> arguments;  // so that it meets the pins
};

// All that "ext4", "xfs" or "tmpfs" can do.
std::vector<Way> ways_on(const std::string& filesystem);
// On all three.
std::vector<std::pair<std::string, Way>> possible_ways();
// What `caller` is to be told.
std::vector<std::string> words(const Way& way, const std::string& path);
Way truncate_way();

}  // namespace pinwarden::test
