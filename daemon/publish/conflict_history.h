// The last conflicts and what was decided, for who was not watching.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "publish/snapshot.h"

namespace pinwarden {

inline constexpr std::size_t kConflictsRemembered = 1024;
// Of one conflict: an umount may meet the pins of everybody.
inline constexpr std::size_t kOwnersRemembered = 16;

// The pins of one process through one driver that a conflict met.
struct PastOwner {
    Task task;
    bool exited = false;
    std::string driver;
    std::uint64_t pins = 0;
    std::uint64_t bytes = 0;
};

struct HoldEnd {
    std::string outcome;  // one of kHoldOutcomes
    Nanoseconds held = 0;
};

// What is kept of a conflict: all but its pins, which are summed up by owner.
struct PastConflict {
    std::uint64_t number = 0;  // counts from 1 on
    Nanoseconds time = 0;
    std::variant<ConflictView, InvalidationView> what = {};  // without pins
    std::vector<PastOwner> owners = {};  // at most kOwnersRemembered, in the order of their oldest pins
    std::uint64_t pins = 0;
    std::uint64_t bytes = 0;
    std::uint64_t pins_of_others = 0;  // of owners that are not among them
};

// Sums the pins up by owner and driver.
void remember_owners(const std::vector<PinRecord>& pins, PastConflict& conflict);

// Which of them somebody wants to see.
struct ConflictWish {
    std::size_t limit = 0;                // 0: all
    std::set<std::string> verdicts = {};  // empty: any
    std::string path_prefix = {};         // normalised; empty: any
    std::uint32_t pid = 0;                // of caller or owner; 0: any
    std::string policy = {};              // empty: any

    [[nodiscard]] bool wants(const PastConflict& conflict) const;
};

struct ConflictList {
    struct Entry {
        std::shared_ptr<const PastConflict> conflict;
        std::optional<HoldEnd> end;  // of the hold it began
    };
    std::vector<Entry> conflicts;  // newest first
    std::uint64_t matched = 0;
    std::uint64_t remembered = 0;
    std::uint64_t forgotten = 0;
};

// Written by the pipeline thread, read by any. Adding takes the same time however many there were, and readers hold the
// lock only while they copy pointers.
class ConflictHistory {
public:
    explicit ConflictHistory(std::size_t capacity = kConflictsRemembered) : capacity_(capacity) {}

    // Its number is given here.
    void add(PastConflict conflict);
    // Of the operation that was held as number `hold`; nothing happens when that is forgotten.
    void hold_ended(std::uint64_t hold, HoldEnd end);

    [[nodiscard]] ConflictList list(const ConflictWish& wish) const;

private:
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::deque<ConflictList::Entry> entries_;  // oldest first, without gaps in their numbers
    std::unordered_map<std::uint64_t, std::uint64_t>
        held_;  // number of a hold -> of its conflict, of those that are there
    std::uint64_t total_ = 0;
};

}  // namespace pinwarden
