// Mends what daemons that ended badly have left, without one that runs. What is in force stays so.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pinwarden {

struct RepairPlaces {
    std::string kept = "/sys/fs/bpf/pinwarden";  // see kernel/kept_links.h
    std::string state = "/var/lib/pinwarden";
    std::string proc = "/proc";
};

struct Repairs {
    std::vector<std::string> done;
    std::vector<std::string> left;  // what is for somebody else to decide, and how
};

// Error: something could not be mended; what was until then is.
Result<Repairs> repair(const RepairPlaces& places);

}  // namespace pinwarden
