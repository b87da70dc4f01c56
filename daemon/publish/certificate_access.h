// What callers may do over TCP, by the certificate that their connection began with.
#pragma once

#include <grpcpp/support/status.h>

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "publish/access.h"
#include "publish/role.h"

namespace pinwarden {

// What gRPC tells of the certificate at the other end: all values of a property, by the property's name.
using PeerProperties = std::function<std::vector<std::string>(const char* property)>;

// The names in it that a role may belong to: its DNS names and URIs; where it has no alternative names at all, its
// common name.
std::vector<std::string> certificate_names(const PeerProperties& peer);

class CertificateAccess final : public Access {
public:
    explicit CertificateAccess(CertificateRoles roles) : roles_(std::move(roles)) {}

    // OK when the certificate has a role that may call the method ("/package.Service/Method"), else PERMISSION_DENIED.
    // Methods that are not ours, reflection and health, are for every role, and for nobody without one.
    [[nodiscard]] grpc::Status may_call(const PeerProperties& peer, std::string_view method) const;

    [[nodiscard]] grpc::Status only_operators(const grpc::ServerContextBase& context) const override;

private:
    struct Known {
        std::string name;
        Role role;
    };
    // The greatest of the roles that its names have.
    [[nodiscard]] std::expected<Known, grpc::Status> find(const PeerProperties& peer) const;
    [[nodiscard]] std::optional<Requester> requester_of(const grpc::ServerContextBase& context) const override;

    CertificateRoles roles_;
};

}  // namespace pinwarden
