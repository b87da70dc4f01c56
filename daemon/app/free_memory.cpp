#include "app/free_memory.h"

#include <malloc.h>
#include <sys/prctl.h>

#include <algorithm>

namespace pinwarden {
namespace {

constexpr std::size_t kWorthIt = std::size_t{8} << 20U;

std::size_t free_bytes()
{
    return mallinfo2().fordblks;
}

}  // namespace

void FreeMemory::keep_what_is_given_back()
{
    // Fails only for wrong arguments; without it the daemon is bigger, and works.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

std::uint64_t FreeMemory::in_use()
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

void FreeMemory::give_back()
{
    malloc_trim(0);
    kept_ = free_bytes();
}

void FreeMemory::look()
{
    const std::size_t free = free_bytes();
    // What was used since has memory again when it is free.
    kept_ = std::min(kept_, free);
    if (free >= kept_ + kWorthIt) {
        give_back();
    }
}

}  // namespace pinwarden
