// What the ledger knows, as plain data that can be copied out of it.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decode/event.h"

namespace pinwarden {

using PinId = std::uint64_t;

// Consecutive pages of one file covered by a pin, starting at `position` pages into the pin. For PW_MEMFD_PIN_FOLIOS
// and PW_ADOPTED_FOLIO the pin's positions are not file pages one by one: `position` is 0 and the whole range counts as
// pinned until the last of them is let go.
struct PinnedFileRange {
    FileKey file;
    std::uint64_t first_page = 0;
    std::uint64_t pages = 0;
    std::uint64_t position = 0;
};

// How the memory under a pin is backed; what the `backing` label of the metrics says.
enum class Backing { kAnonymous, kFile, kShmem, kHugetlb, kMixed };
std::string_view to_string(Backing backing);

struct PinRecord {
    PinId id = 0;
    Task owner;
    bool inferred = false;  // the owner was not reported, but found by who maps the pages
    bool owner_exited = false;
    Nanoseconds orphaned = 0;  // when its owner exited; 0 while it has not
    bool leak = false;         // orphaned for longer than the limit
    std::string driver;
    Scope scope;
    pw_function function = PW_FUNCTION_UNKNOWN;
    std::uint64_t address = 0;
    std::uint64_t mm = 0;
    std::uint64_t space = 0;  // number of the address space of `address`, see PinEvent
    Nanoseconds acquired = 0;
    bool long_term = false;
    bool long_lived = false;  // without FOLL_LONGTERM, but held for long
    bool writable = false;
    // Pins of pages that the object does not need to hold their folio were let go while it was made: what is left of
    // the pin holds all of the memory, and it counts as pinned to the last.
    bool coalesced = false;
    std::uint64_t requested_pages = 0;    // for PW_ADOPTED_FOLIO: of the folio
    std::uint64_t pinned_pages = 0;       // pages (folios for PW_MEMFD_PIN_FOLIOS) the call returned
    std::uint64_t live_pages = 0;         // of those that were listed, how many are not yet released
    std::uint64_t listed_pages = 0;       // how many the page lists named so far
    std::uint64_t bytes = 0;              // still pinned; pages that were not (yet) listed count as pinned
    std::vector<PinnedFileRange> ranges;  // as pinned, by position; partly released ones are not cut
    std::vector<std::uint64_t> stack;
    std::shared_ptr<const UserStack> user_stack;  // nullptr: not recorded; equal ones are the same one
    Backing backing = Backing::kAnonymous;

    // Whether it concerns anybody: a brief pin is in the ledger only so that its release is not taken for another's.
    [[nodiscard]] bool shown() const { return long_term || long_lived; }
};

struct FileRecord {
    FileKey key;
    std::string path;         // as it is called now
    std::string pinned_path;  // as it was called when it was first pinned: what policies go by
    std::string filesystem;
    bool deleted = false;             // it lost that name, and no other is known
    std::uint64_t ranges_seen = 0;    // RangeEvents seen; equals last_sequence when none is missing
    std::uint64_t last_sequence = 0;  // greatest sequence seen
    absl::flat_hash_set<PinId> pins;  // with live pages of this file
};

// By what a release was attributed to a pin.
enum class ReleaseRule {
    kObject,        // the driver let go the very object the pin was made for
    kOnlyHolder,    // nobody else had pins there
    kAddressSpace,  // several had; it is of the address space that let go
    kOldest,        // several had, and nothing told them apart
    kRepair,        // no release was seen: the kernel has fewer pins than the ledger had
};
std::string_view to_string(ReleaseRule rule);

// A part of a pin that one release let go.
struct Released {
    ReleaseRule rule = ReleaseRule::kOnlyHolder;
    PinId pin = 0;
    std::uint64_t pages = 0;
    std::uint64_t bytes = 0;
    bool fully = false;
    PinRecord record;  // as it was just before; taken only for the first and the final part of a pin's release
};

struct ReleaseOutcome {
    std::vector<Released> released;     // one entry for each pin concerned, by pin
    std::vector<PageRun> let_go;        // pages whose block counters may now be lowered, once per entry
    std::uint64_t unmatched_pages = 0;  // releases of pins the ledger does not have: short-term ones, mostly
};

// Pages of a pin that were pinned and mapped when an invalidation took them from their addresses.
struct MetPin {
    PinId pin = 0;
    std::uint64_t pages = 0;
};

struct InvalidationOutcome {
    std::vector<MetPin> met;  // by pin
    AddressRange range;       // which of the event's ranges met them; its first one where both did
};

// What of a file is pinned now. first_page == end_page when nothing is.
struct FileState {
    std::uint64_t sequence = 0;  // of the last range seen
    bool complete = false;       // no range up to `sequence` is missing
    std::uint64_t first_page = 0;
    std::uint64_t end_page = 0;
};

// Totals for one (driver, backing).
struct PinTotals {
    std::uint64_t pins = 0;
    std::uint64_t bytes = 0;
};

// Ages by which pins are counted, ascending: a minute, ten, an hour, six, a day, a week.
inline constexpr std::array<Nanoseconds, 6> kPinAges{60'000'000'000,     600'000'000'000,    3'600'000'000'000,
                                                     21'600'000'000'000, 86'400'000'000'000, 604'800'000'000'000};

// Pins added up.
struct PinSums {
    absl::btree_map<std::pair<std::string, Backing>, PinTotals> totals;  // by driver and backing
    std::array<std::uint64_t, kPinAges.size() + 1> by_age{};             // younger than each, and not than the last
    std::uint64_t adopted = 0;                                           // pins that were found, not seen being made
    absl::flat_hash_map<std::string, std::uint64_t> cgroup_bytes;        // by cgroup; empty: not known
};

// Of one driver. Leaks are orphans too.
struct OrphanTotals {
    PinTotals orphans;
    PinTotals leaks;
};

}  // namespace pinwarden
