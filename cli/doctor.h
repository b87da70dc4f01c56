// Whether this machine and its pinwardend are well: first the facts, then what follows from them.
#pragma once

#include <pinwarden/v1/pinctl.pb.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/text.h"

namespace pinwarden::cli {

// Of a process, as /proc/PID/status has them.
struct ProcessRights {
    std::uint64_t capabilities = 0;  // effective, a bit for each
    std::string comm;
};

// What there is to know. What is absent could not be read.
struct DoctorFacts {
    std::string kernel_release;                  // uname -r
    std::string architecture;                    // uname -m
    bool btf = false;                            // /sys/kernel/btf/vmlinux is there
    std::optional<std::string> lockdown;         // "none [integrity] confidentiality"
    std::optional<std::string> lsm;              // "lockdown,capability,bpf"
    std::optional<std::string> ftrace_enabled;   // "1"
    std::optional<std::string> kptr_restrict;    // "0"
    std::optional<std::string> clock_source;     // "tsc"
    std::string bpf_filesystem;                  // where one is mounted; empty: nowhere
    std::string cgroup_tree;                     // where the cgroup v2 tree is mounted; the same
    std::optional<std::uint64_t> pins_acquired;  // nr_foll_pin_acquired of /proc/vmstat
    std::optional<std::uint64_t> pins_released;
    // Daemons that are gone, and whose programs are attached still; where that may be seen.
    std::vector<std::uint32_t> left_behind;
    std::optional<ProcessRights> own;     // of pinctl
    std::optional<ProcessRights> daemon;  // of pinwardend, where its pid is one of ours
    std::optional<v1::GetStatusResponse> status;
    std::string not_answered;  // why there is no status
    bool forbidden = false;    // it is there, and may not be asked
    std::int64_t now = 0;      // seconds since the Unix epoch
};

// What can be read of this machine. `root`: in place of "/", where there are "proc" and "sys".
DoctorFacts read_machine(const std::string& root = "/");
// The rights of the process with this number, or nothing.
std::optional<ProcessRights> read_rights(const std::string& process, const std::string& root = "/");

// Depends on nothing but the facts.
v1::Diagnosis diagnose(const DoctorFacts& facts);

std::string render_diagnosis(const v1::Diagnosis& diagnosis, const Style& style);

}  // namespace pinwarden::cli
