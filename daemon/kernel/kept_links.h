// Links that stay when this process has ended, in a folder of their own in the BPF file system, one set for each
// process: a daemon that starts makes a new set before it takes away what the one before it kept.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

struct bpf_link;

namespace pinwarden {

// An empty set for this process. An error when there is no BPF file system.
Result<void> make_kept_links();
// Puts a link in. 0, or a negative errno.
int keep_link(const std::string& name, bpf_link& link);
// Puts a link that keep_link() put in back where somebody has taken it out: true then, false when it is there.
Result<bool> mend_kept_link(const std::string& name, const bpf_link& link);
// Takes the set away again once all links have left it.
void remove_kept_links();
// Detaches the sets of all other processes; returns how many there were.
Result<std::size_t> forget_kept_links();

}  // namespace pinwarden
