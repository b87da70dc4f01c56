// What the values of options have to be: each says what is wrong with a text, and how it is done right; empty when
// nothing is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pinwarden {

std::string check_ring_size(const std::string& text);
std::string check_memory_limit(const std::string& text);
std::string check_max_files(const std::string& text);
std::string check_cgroup_metrics(const std::string& text);
std::string check_duration(const std::string& text);
std::string check_file(const std::string& text);
std::string check_socket(const std::string& text);
std::string check_policy(const std::string& text);
std::string check_group(const std::string& text);
std::string check_folder(const std::string& text);
std::string check_host_root(const std::string& text);
std::string check_protected(const std::string& text);
std::string check_log_level(const std::string& text);
std::string check_address(const std::string& text);
std::string check_tls_address(const std::string& text);
std::string check_pem(const std::string& text);
std::string check_certificate_name(const std::string& text);
std::string check_event_log(const std::string& text);
std::string check_event_log_size(const std::string& text);

// Nothing: it is no number, or too many.
std::optional<std::uint32_t> parse_cgroup_metrics(const std::string& text);
// Nothing: it is no number, or too few, or too many.
std::optional<std::uint32_t> parse_max_files(const std::string& text);

}  // namespace pinwarden
