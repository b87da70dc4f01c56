#include "publish/snapshot.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace pinwarden {

std::uint64_t page_bytes()
{
    static const auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

Error no_such_hold(std::uint64_t id, const std::vector<HoldView>& holds)
{
    constexpr std::size_t kMostNamed = 16;
    std::string known;
    for (std::size_t i = 0; i < std::min(holds.size(), kMostNamed); ++i) {
        known += (i == 0 ? "held are: " : ", ") + std::to_string(holds[i].id);
    }
    if (holds.size() > kMostNamed) {
        known += " and " + std::to_string(holds.size() - kMostNamed) + " more";
    }
    return {"no operation is held as number " + std::to_string(id) + "; " + (known.empty() ? "none is held" : known),
            ENOENT};
}

}  // namespace pinwarden
