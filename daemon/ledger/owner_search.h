// Whose pages are those that were found pinned? The real search looks through the address spaces of processes; tests
// have a list.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "ledger/page_truth.h"

namespace pinwarden {

// Start times of processes that were found, not reported, are whole multiples of this: /proc tells no more.
inline constexpr Nanoseconds kInferredGrain = 10'000'000;

class OwnerSearch {
public:
    OwnerSearch() = default;
    OwnerSearch(const OwnerSearch&) = delete;
    OwnerSearch& operator=(const OwnerSearch&) = delete;
    virtual ~OwnerSearch() = default;

    // Starts to look for who maps these pages, elsewhere than on the caller's thread; what was looked for before is
    // given up. Ends by itself; what was not found after `longest` is not known, because half an answer could name the
    // wrong one of two.
    virtual void start(std::vector<PageState> pages, Nanoseconds longest) = 0;
    // Nothing while it still looks; then the process of each page for which just one comes into question. Start times
    // are cut, see kInferredGrain.
    virtual std::optional<std::map<PageNumber, Task>> result() = 0;

    struct Progress {
        std::uint64_t done = 0;   // processes
        std::uint64_t total = 0;  // 0: not known
    };
    // Of the search that was started last.
    [[nodiscard]] virtual Progress progress() const { return {}; }
};

}  // namespace pinwarden
