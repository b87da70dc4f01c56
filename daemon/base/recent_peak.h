// The most that something came to lately: whoever looks now and then misses nothing between two looks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace pinwarden {

class RecentPeak {
public:
    void observe(Nanoseconds now, std::uint64_t value)
    {
        if (const Nanoseconds span = now / kSpan; span != span_) {
            before_ = span == span_ + 1 ? this_ : 0;
            this_ = 0;
            span_ = span;
        }
        this_ = std::max(this_, value);
    }

    // Of the last half minute to minute.
    [[nodiscard]] std::uint64_t value(Nanoseconds now) const
    {
        const Nanoseconds span = now / kSpan;
        if (span == span_) {
            return std::max(this_, before_);
        }
        return span == span_ + 1 ? this_ : 0;
    }

private:
    static constexpr Nanoseconds kSpan = 30'000'000'000;

    Nanoseconds span_ = 0;
    std::uint64_t this_ = 0;
    std::uint64_t before_ = 0;
};

}  // namespace pinwarden
