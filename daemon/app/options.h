// What can be set of the daemon: on its command line, and in its configuration files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace pinwarden {

inline constexpr const char* kOperatorGroup = "pinwarden-admin";
inline constexpr const char* kReaderSocket = "reader.sock";
inline constexpr const char* kReaderGroup = "pinwarden";

// The API over TCP, all of it or none.
struct TlsOptions {
    std::string address;  // HOST:PORT; empty: there is none
    std::string certificate;
    std::string key;
    std::string client_ca;
    std::vector<std::string> readers;  // names in certificates
    std::vector<std::string> operators;
};

struct Options {
    std::string socket = "/run/pinwarden/operator.sock";
    std::optional<std::string> operator_group = {};  // nothing: kOperatorGroup, if there is such a group
    std::optional<std::string> reader_socket = {};   // nothing: kReaderSocket beside the other one
    std::optional<std::string> reader_group = {};    // nothing: kReaderGroup, if there is such a group
    TlsOptions tls;
    std::string metrics_address = "127.0.0.1:9877";
    std::vector<std::string> policies;  // files or folders
    std::string host_root = "/";
    std::uint32_t ring_bytes = 16U << 20U;
    std::uint64_t memory_limit = 512U << 20U;
    std::uint32_t max_files = 1U << 18U;  // with pins, that the kernel side knows of
    std::string log_level = "info";
    Nanoseconds leak_after = 30'000'000'000;
    bool readers = true;  // have a socket
    bool track_short_term = false;
    bool user_stacks = false;
    bool watch_config = false;
    std::uint32_t cgroup_metrics = 0;
    std::string event_log = {};  // empty: none
    std::uint64_t event_log_bytes = 64U << 20U;
    bool event_journal = false;
    Nanoseconds long_lived_after = 10'000'000'000;
    Nanoseconds quiet_after = 30'000'000'000;
    bool census = true;  // at the start
    std::string state_dir = "/var/lib/pinwarden";
    bool state = true;
    std::string audit_log = "/var/log/pinwarden/audit.log";
    std::vector<std::string> protect;  // executables, by path or name
};

}  // namespace pinwarden
