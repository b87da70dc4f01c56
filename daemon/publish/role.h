// What a connection to the API may be used for. On this machine roles belong to sockets, not to users: whoever may open
// a socket has its role. Over the network they belong to the names in certificates.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace pinwarden {

enum class Role : std::uint8_t { kReader, kOperator };

struct ApiSocket {
    std::string path;
    std::optional<gid_t> group = {};  // whose members may open it as well
};

// PEM files.
struct TlsFiles {
    std::string certificate;  // the daemon's own, then those that lead from it to its authority's
    std::string key;          // of that certificate; without a passphrase
    std::string client_ca;    // whose certificates are let in: one or more
};

// Roles by a name in the certificate: a DNS name or URI among its alternative names, or, where it has no alternative
// names, its common name. Compared letter by letter.
using CertificateRoles = std::map<std::string, Role, std::less<>>;

// TCP, with TLS and certificates on both sides.
struct TlsEndpoint {
    std::string address;  // HOST:PORT
    TlsFiles files;
    CertificateRoles roles;
    // Told, in one sentence, of files that have changed and cannot be used. From any thread.
    std::function<void(const std::string&)> warn = [](const std::string&) {};
};

struct ApiSockets {
    ApiSocket operators;
    std::optional<ApiSocket> readers = {};
    std::optional<TlsEndpoint> tls = {};
};

}  // namespace pinwarden
