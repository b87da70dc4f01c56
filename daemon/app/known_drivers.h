// Which driver pinned, by the addresses of the call stack. A machine pins from few places, again and again, and to name
// every frame each time is the dearest part of handling a pin.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/types/span.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ledger/driver.h"

namespace pinwarden {

class KnownDrivers {
public:
    // `names` must outlive this.
    explicit KnownDrivers(StackNamer& names) : names_(names) {}

    // See classify_driver(). Valid until the next call.
    const std::string& of(absl::Span<const std::uint64_t> stack);

private:
    using Stack = absl::Span<const std::uint64_t>;
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(Stack stack) const { return absl::Hash<Stack>()(stack); }
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(Stack one, Stack other) const { return std::ranges::equal(one, other); }
    };

    StackNamer& names_;
    std::uint64_t naming_ = 0;
    absl::flat_hash_map<std::vector<std::uint64_t>, std::string, Hash, Equal> known_;
};

}  // namespace pinwarden
