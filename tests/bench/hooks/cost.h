// What an operation costs, in a guest with one processor that runs one instruction in a nanosecond (./dev vm --icount).
#pragma once

#include <cstddef>
#include <functional>

namespace pinwarden::bench {

// Instructions for one unit of an operation.
struct Cost {
    double caller = 0;      // run by the thread that calls, in the kernel and outside
    double everything = 0;  // interrupts and whoever else ran until all was done that follows from it, too
};

// The median of several batches of `rounds` calls of `round`, each of which does `units`; after one batch to warm up.
// Between two batches it is waited until the daemon has read what they reported, which on one processor it hardly does
// meanwhile: so each finds the ring empty.
Cost measure(std::size_t rounds, std::size_t units, const std::function<void()>& round);

}  // namespace pinwarden::bench
