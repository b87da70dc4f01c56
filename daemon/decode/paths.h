// From the components of a record to paths. Components come innermost first, each closed with a NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "decode/event.h"

namespace pinwarden {

// "/a/b", or "memfd:name" / ".../b" as described at FileEvent::path. `filesystem_magic` tells memfds (tmpfs with a
// single component "memfd:...") from files in a root directory.
std::string path_from_components(std::span<const char> components, bool cut, std::uint64_t filesystem_magic);

// Memory files have no directory; the kernel gives them a name of one component on an internal mount of tmpfs or
// hugetlbfs: "memfd:NAME", "SYSV" and a key of shared memory, "anon_hugepage" and "dev/zero" for shared anonymous
// mappings, of which the last is shown as "/dev/zero". Nothing for other files.
std::optional<std::string> memory_file_name(std::span<const char> components, std::uint64_t filesystem_magic);

// The components of a file's record, marks included (see pw_file), by mount, innermost first.
std::vector<PathPart> split_parts(std::span<const char> components);

// The whole path; starts with "..." when what lies above the last part is not known.
std::string path_of(const std::vector<PathPart>& parts, bool cut);

}  // namespace pinwarden
