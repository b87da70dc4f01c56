// A file by its numbers: "8:1:4711", as `pinctl pins` shows it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace pinwarden::cli {

// Device's major and minor part, and inode; zeroes when it is none.
std::array<std::uint64_t, 3> parse_inode(const std::string& text);

// What is wrong with it, and what is right; empty when nothing is.
std::string check_inode(const std::string& text);

}  // namespace pinwarden::cli
