#include "cli/inode.h"

#include <charconv>
#include <limits>
#include <system_error>

namespace pinwarden::cli {

std::array<std::uint64_t, 3> parse_inode(const std::string& text)
{
    std::array<std::uint64_t, 3> numbers{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto [next, error] = std::from_chars(at, end, numbers.at(i));
        const bool last = i + 1 == numbers.size();
        if (error != std::errc{} || (last ? next != end : next == end || *next != ':')) {
            return {};
        }
        at = next + 1;
    }
    return numbers;
}

std::string check_inode(const std::string& text)
{
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    const auto [major, minor, inode] = parse_inode(text);
    return inode != 0 && major <= kMost && minor <= kMost
               ? ""
               : "\"" + text + "\" is not a file; write DEVICE:INODE as `pinctl pins` shows it, such as 8:1:4711";
}

}  // namespace pinwarden::cli
