// A clock that stands still until the test sets it.
#pragma once

#include "base/clock.h"

namespace pinwarden::test {

class TestClock final : public Clock {
public:
    Nanoseconds time = 0;
    Nanoseconds unix_offset = 0;
    [[nodiscard]] Nanoseconds now() const override { return time; }
    [[nodiscard]] Nanoseconds boot_to_unix() const override { return unix_offset; }
};

}  // namespace pinwarden::test
