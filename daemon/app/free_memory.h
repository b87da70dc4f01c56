// Gives memory that was let go back to the kernel. The C library keeps what lies between pieces that are in use: after
// the start, and after many pins are gone, most of its heap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pinwarden {

class FreeMemory {
public:
    // From now on the kernel does not fill this process's memory up to huge pages. Where they are always on, khugepaged
    // finds what was given back between two used pieces, and makes it resident again, two mebibytes at a time.
    static void keep_what_is_given_back();
    // What this process has allocated and not let go, in bytes.
    [[nodiscard]] static std::uint64_t in_use();
    // Whoever allocates meanwhile may wait for some milliseconds.
    void give_back();
    // The same, if it is worth it by now.
    void look();

private:
    std::size_t kept_ = 0;  // free bytes that giving back did not make fewer: they have no memory any more
};

}  // namespace pinwarden
