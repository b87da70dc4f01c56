#include "app/api_sockets.h"

#include <grp.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <vector>

namespace pinwarden {

std::optional<gid_t> find_group(const std::string& name)
{
    constexpr std::size_t kEnough = 1U << 10U;
    constexpr std::size_t kMost = 1U << 24U;  // a group with some hundred thousand members
    group entry{};
    for (std::size_t size = kEnough; size <= kMost; size *= 2) {
        std::vector<char> buffer(size);
        group* found = nullptr;
        if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != ERANGE) {
            return found != nullptr ? std::optional(found->gr_gid) : std::nullopt;
        }
    }
    return std::nullopt;
}

ApiSockets api_sockets(const Options& options)
{
    ApiSockets sockets{
        .operators = {.path = options.socket, .group = find_group(options.operator_group.value_or(kOperatorGroup))}};
    if (options.readers) {
        const auto beside = std::filesystem::path(options.socket).replace_filename(kReaderSocket).string();
        sockets.readers = {.path = options.reader_socket.value_or(beside),
                           .group = find_group(options.reader_group.value_or(kReaderGroup))};
    }
    if (const TlsOptions& tls = options.tls; !tls.address.empty()) {
        sockets.tls = TlsEndpoint{
            .address = tls.address,
            .files = {.certificate = tls.certificate, .key = tls.key, .client_ca = tls.client_ca},
            .roles = {},
            .warn = [](const std::string& text) { spdlog::warn("TLS: {}", text); },
        };
        for (const std::string& name : tls.readers) {
            sockets.tls->roles.emplace(name, Role::kReader);
        }
        for (const std::string& name : tls.operators) {
            sockets.tls->roles.insert_or_assign(name, Role::kOperator);
        }
    }
    return sockets;
}

std::vector<gid_t> reader_groups(const Options& options)
{
    std::vector<gid_t> groups;
    for (const std::string& name :
         {options.operator_group.value_or(kOperatorGroup), options.reader_group.value_or(kReaderGroup)}) {
        if (const auto group = find_group(name)) {
            groups.push_back(*group);
        }
    }
    return groups;
}

}  // namespace pinwarden
