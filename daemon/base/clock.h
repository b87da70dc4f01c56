// Time as the kernel's records carry it: nanoseconds of CLOCK_BOOTTIME. Injected, so that tests own it.
#pragma once

#include <cstdint>

namespace pinwarden {

using Nanoseconds = std::uint64_t;

class Clock {
public:
    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    virtual ~Clock() = default;

    // Nanoseconds since boot, suspend included.
    [[nodiscard]] virtual Nanoseconds now() const = 0;
    // What must be added to a boot time to get nanoseconds since the Unix epoch.
    [[nodiscard]] virtual Nanoseconds boot_to_unix() const = 0;
};

class SystemClock final : public Clock {
public:
    [[nodiscard]] Nanoseconds now() const override;
    [[nodiscard]] Nanoseconds boot_to_unix() const override;
};

}  // namespace pinwarden
