// How long a truncate of a pinned file waits that a policy holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pinwarden::bench {

// Nanoseconds from just before the last pin of the file is let go until the held truncate has returned, by turn. Needs
// a policy that holds truncates. Throws std::runtime_error.
std::vector<std::int64_t> until_gone(std::size_t turns);

// Nanoseconds that a truncate takes which comes right after a pin that the daemon does not know yet; only of those that
// were held, up to `turns`: the daemon may be quicker. Needs a policy that does not mean io_uring's pins, with
// `unresolved: hold`. Throws std::runtime_error.
std::vector<std::int64_t> until_resolved(std::size_t turns);

}  // namespace pinwarden::bench
