// Which pins somebody wants to see.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/records.h"

namespace pinwarden {

struct PinView;
struct Notice;

// All parts that are given must hold; empty ones are not. Of a list any entry will do.
struct PinFilter {
    using Names = std::set<std::string, std::less<>>;

    std::set<std::uint32_t> pids;
    std::set<std::uint32_t> uids;
    Names comms;
    Names drivers;
    Names backings;
    Names containers;
    std::vector<std::string> cgroups;        // these, or below
    std::vector<std::string> path_prefixes;  // these, or below; absolute, without a slash at the end
    std::vector<FileKey> inodes;             // of any generation
    std::string symbol;                      // name of a kernel function in the stack
    std::uint64_t min_bytes = 0;
    Nanoseconds min_age = 0;
    std::optional<bool> long_term;
    bool orphans = false;
    bool leaks = false;

    // By all that the record itself tells. Cheap: asked of every pin there is.
    [[nodiscard]] bool matches(const PinRecord& pin) const;
    // By the names of its files and its stack; to be asked besides.
    [[nodiscard]] bool matches_names(const PinView& view) const;
    // By what all of its parts together are; to be asked besides.
    [[nodiscard]] bool matches_whole(std::uint64_t bytes, Nanoseconds acquired, Nanoseconds now) const;

    // Whether the notice is about such a pin; see WatchEventsRequest in the API.
    [[nodiscard]] bool matches(const Notice& notice) const;

private:
    [[nodiscard]] bool matches_path(const std::string& path) const;
};

}  // namespace pinwarden
