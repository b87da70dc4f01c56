// What the kernel does to a process's memory by itself: khugepaged makes huge pages of it, and fills up what they lack.
#pragma once

namespace pinwarden::bench {

// Waits until khugepaged has been through all memory, as it is by now, from its beginning to its end. Meanwhile it does
// not rest, so that this takes moments in place of minutes. Returns at once on a kernel without it. Throws
// std::runtime_error.
void wait_for_khugepaged();

}  // namespace pinwarden::bench
