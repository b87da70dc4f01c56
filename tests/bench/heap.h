// What this process has allocated.
#pragma once

#include <malloc.h>

#include <cstddef>

namespace pinwarden::bench {

// Bytes in use as the C library's allocator counts them, its own overhead included.
inline std::size_t heap_bytes()
{
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

}  // namespace pinwarden::bench
