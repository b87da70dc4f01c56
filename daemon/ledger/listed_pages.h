// The pages of a pin as they were listed, in little memory: to find them all when the pin is let go as a whole.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "decode/event.h"

namespace pinwarden {

class ListedPages {
public:
    // The next pages. Page numbers stay below 2^40, runs below 2^24 pages; longer ones are kept in parts.
    void add(PageRun run)
    {
        while (run.count > 0) {
            const std::uint64_t count = run.count < kLongest ? run.count : kLongest;
            if (!runs_.empty() && first(runs_.back()) + length(runs_.back()) == run.first &&
                length(runs_.back()) + count <= kLongest) {
                runs_.back() += count;
            } else {
                runs_.push_back(run.first << kLengthBits | count);
            }
            run = {run.first + count, run.count - count};
        }
    }
    // Nothing will be added.
    void close() { runs_.shrink_to_fit(); }
    // By first page: visited in that order from now on.
    void sort() { std::sort(runs_.begin(), runs_.end()); }

    template <typename Visitor>
    void visit(const Visitor& visitor) const
    {
        for (const std::uint64_t run : runs_) {
            visitor(PageRun{first(run), length(run)});
        }
    }

private:
    static constexpr unsigned kLengthBits = 24;
    static constexpr std::uint64_t kLongest = (1ULL << kLengthBits) - 1;

    static std::uint64_t first(std::uint64_t run) { return run >> kLengthBits; }
    static std::uint64_t length(std::uint64_t run) { return run & kLongest; }

    std::vector<std::uint64_t> runs_;
};

}  // namespace pinwarden
