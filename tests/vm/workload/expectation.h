// What the ledger must say, against what it says: who has which pages pinned.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <string>
#include <vector>

#include "worker.h"

namespace workload {

enum class Strictness {
    kExact,    // every pin, each with its owner
    kNoWrong,  // after a loss: pins whose owner is not known are no mistake, but a wrong owner is
};

// Empty when they agree, else what differs, a line each: by process and driver, every page of its address space counted
// as often as it is pinned.
std::string difference(const std::vector<Held>& expected, const std::vector<pinwarden::v1::Pin>& pins,
                       Strictness strictness);

}  // namespace workload
