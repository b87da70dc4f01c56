#include "app/option_checks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "act/protected_processes.h"
#include "app/api_sockets.h"
#include "policy/units.h"
#include "publish/http_address.h"
#include "publish/metrics.h"

namespace pinwarden {
namespace {

constexpr std::uint64_t kSmallestRing = 4096;
constexpr std::uint64_t kSmallestMemory = 16U << 20U;  // not much more than it takes when nothing is pinned
constexpr std::uint64_t kLargestRing = 1U << 30U;
constexpr std::uint32_t kFewestFiles = 1024;
constexpr std::uint32_t kMostFiles = 1U << 24U;
constexpr std::uint64_t kSmallestEventLog = 1U << 20U;
constexpr std::uint64_t kLargestEventLog = 1ULL << 36U;

std::optional<std::uint32_t> parse_count(const std::string& text, std::size_t least, std::size_t most)
{
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool whole = !text.empty() && error == std::errc() && end == text.data() + text.size();
    return whole && count >= least && count <= most ? std::optional(count) : std::nullopt;
}

}  // namespace

std::string check_ring_size(const std::string& text)
{
    const auto bytes = parse_size(text);
    return bytes && std::has_single_bit(*bytes) && *bytes >= kSmallestRing && *bytes <= kLargestRing
               ? ""
               : "\"" + text + "\" is not possible; wants a power of two from 4KiB to 1GiB, such as 16MiB";
}

std::string check_memory_limit(const std::string& text)
{
    const auto bytes = parse_size(text);
    return bytes && *bytes >= kSmallestMemory
               ? ""
               : "\"" + text + "\" is not possible; wants a size from 16MiB on, such as 512MiB";
}

std::optional<std::uint32_t> parse_cgroup_metrics(const std::string& text)
{
    return parse_count(text, 0, kMaxCgroupLabels);
}

std::optional<std::uint32_t> parse_max_files(const std::string& text)
{
    return parse_count(text, kFewestFiles, kMostFiles);
}

std::string check_max_files(const std::string& text)
{
    return parse_max_files(text) ? ""
                                 : "\"" + text + "\" is not possible; wants a number from " +
                                       std::to_string(kFewestFiles) + " to " + std::to_string(kMostFiles);
}

std::string check_cgroup_metrics(const std::string& text)
{
    return parse_cgroup_metrics(text)
               ? ""
               : "\"" + text + "\" is not possible; wants a number from 0 to " + std::to_string(kMaxCgroupLabels);
}

std::string check_duration(const std::string& text)
{
    const auto duration = parse_duration(text);
    return duration ? "" : duration.error().message;
}

std::string check_file(const std::string& text)
{
    return text.empty() || text.ends_with('/') ? "wants the path of a file, such as /var/log/pinwarden/audit.log" : "";
}

std::string check_socket(const std::string& text)
{
    return text.empty() || text.ends_with('/') ? "wants the path of a socket, such as /run/pinwarden/operator.sock"
                                               : "";
}

std::string check_policy(const std::string& text)
{
    return text.empty() ? "wants the path of a policy file, or of a folder of *.yaml files" : "";
}

std::string check_group(const std::string& text)
{
    return find_group(text) ? "" : "there is no group \"" + text + "\"; make it with groupadd --system";
}

std::string check_folder(const std::string& text)
{
    if (!text.starts_with('/')) {
        return "wants the absolute path of a folder, such as /var/lib/pinwarden";
    }
    std::error_code error;
    return std::filesystem::exists(text, error) && !std::filesystem::is_directory(text, error)
               ? text + " is no folder; name one, or a place where one can be made"
               : "";
}

std::string check_host_root(const std::string& text)
{
    std::error_code error;
    return text.starts_with('/') && std::filesystem::is_directory(text, error)
               ? ""
               : "wants the absolute path of a folder that is there, such as /host";
}

std::string check_protected(const std::string& text)
{
    const auto protects = ProtectedProcesses::with({text});
    return protects ? "" : protects.error().message;
}

std::string check_log_level(const std::string& text)
{
    constexpr std::array kLevels{"debug", "info", "warning", "error"};
    return std::ranges::find(kLevels, text) != kLevels.end()
               ? ""
               : "\"" + text + "\" is not one of debug, info, warning, error";
}

std::string check_address(const std::string& text)
{
    const auto good = parse_http_address(text);
    return good ? "" : good.error().message;
}

std::string check_tls_address(const std::string& text)
{
    constexpr unsigned kLastPort = 65535;
    const auto colon = text.rfind(':');
    const std::string host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    unsigned port = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = colon == std::string::npos ? std::from_chars_result{end, std::errc::invalid_argument}
                                                   : std::from_chars(text.data() + colon + 1, end, port);
    const bool good = parsed.ec == std::errc{} && parsed.ptr == end && port > 0 && port <= kLastPort && !host.empty() &&
                      (host.find(':') == std::string::npos || bracketed);
    return good ? "" : "\"" + text + "\" is not possible; wants HOST:PORT, such as 0.0.0.0:9878 or [::]:9878";
}

std::string check_pem(const std::string& text)
{
    return text.empty() || text.ends_with('/') ? "wants the path of a PEM file" : "";
}

std::string check_certificate_name(const std::string& text)
{
    return text.empty() ? "wants a name that is in a client's certificate" : "";
}

std::string check_event_log(const std::string& text)
{
    return text.empty() || text.ends_with('/') ? "wants the path of a file, such as /var/log/pinwarden/events.json"
                                               : "";
}

std::string check_event_log_size(const std::string& text)
{
    const auto bytes = parse_size(text);
    return bytes && *bytes >= kSmallestEventLog && *bytes <= kLargestEventLog
               ? ""
               : "\"" + text + "\" is not possible; wants a size from 1MiB to 64GiB, such as 64MiB";
}

}  // namespace pinwarden
