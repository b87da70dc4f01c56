// Pinning in one process, truncating in another.
#pragma once

#include <cstdint>
#include <string>

#include "device.h"
#include "memory.h"

namespace pinner {

struct RaceResult {
    std::uint64_t denied = 0;             // truncates of pinned pages that failed with EBUSY
    std::uint64_t got_through = 0;        // ... that succeeded
    std::uint64_t damaged = 0;            // ... that failed, but size or content changed
    std::uint64_t other_errors = 0;       // truncates that failed with anything else
    std::uint64_t allowed = 0;            // truncates of pages nobody has pinned that succeeded
    std::uint64_t refused = 0;            // ... that failed with EBUSY
    std::uint64_t bystander_refused = 0;  // truncates of another file that failed
};
std::string to_string(const RaceResult& result);

// `count` times: pins all of the memory; the other process tries to truncate the file, by ftruncate, truncate and
// open(O_TRUNC) in turn, and a bystander; lets go; the other process truncates it to the same size. The two hand over
// through shared memory: nothing but that lies between the end of the registration and the beginning of the truncate.
Result<RaceResult> run_in_turns(Device& device, Access access, const Memory& memory, std::uint64_t count);

// `count` times pins and lets go; the other process truncates the file all the time that it is pinned, let go, or
// nobody's. What falls into the moment of letting go may end either way; only truncates that began and ended in a
// pinned or in an unpinned time count.
Result<RaceResult> run_at_will(Device& device, Access access, const Memory& memory, std::uint64_t count);

}  // namespace pinner
