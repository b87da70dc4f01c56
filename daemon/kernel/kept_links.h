// Links that stay when this process has ended, in a folder of their own in the BPF file system, one set for each
// process: a daemon that starts makes a new set before it takes away what the one before it kept. With them stays what
// they report to, so that the next daemon can read what nobody did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

struct bpf_link;

namespace pinwarden {

// An empty set for this process. An error when there is no BPF file system.
Result<void> make_kept_links();
// Puts a link in. 0, or a negative errno.
int keep_link(const std::string& name, bpf_link& link);
// Puts a link that keep_link() put in back where somebody has taken it out: true then, false when it is there.
Result<bool> mend_kept_link(const std::string& name, const bpf_link& link);
// The same with a map, by its descriptor.
int keep_map(const std::string& name, int map);
Result<bool> mend_kept_map(const std::string& name, int map);
void drop_kept_map(const std::string& name);

// What another process kept, for as long as this lives.
struct KeptMaps {
    OwnedFd ring;
    OwnedFd counters;
    std::uint32_t ring_id = 0;  // as the kernel counts maps
};
inline constexpr const char* kKeptRing = "ring";
inline constexpr const char* kKeptCounters = "counters";
// Error code ENOENT: there is no such set, or one without them.
Result<KeptMaps> open_kept_maps(std::uint64_t set);

// Takes the set away again once all links have left it.
void remove_kept_links();
// Detaches the sets of all other processes; returns how many there were.
Result<std::size_t> forget_kept_links();

}  // namespace pinwarden
