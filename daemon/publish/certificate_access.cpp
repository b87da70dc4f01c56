#include "publish/certificate_access.h"

#include <google/protobuf/descriptor.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/roles.pb.h>

#include <algorithm>
#include <iterator>

#include "publish/status.h"

namespace pinwarden {
namespace {

PeerProperties properties_of(const grpc::ServerContextBase& context)
{
    return [&context](const char* property) {
        std::vector<std::string> values;
        for (const grpc::string_ref& value : context.auth_context()->FindPropertyValues(property)) {
            values.emplace_back(value.data(), value.size());
        }
        return values;
    };
}

// "/pinwarden.v1.PinService/ListPins"
Role role_for(std::string_view method)
{
    if (!method.starts_with('/')) {
        return Role::kOperator;
    }
    std::string name(method.substr(1));
    std::ranges::replace(name, '/', '.');
    const auto* const known = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
    const bool ours = known != nullptr && known->file()->package() == v1::Role_descriptor()->file()->package();
    return !ours || known->options().GetExtension(v1::role) == v1::ROLE_READER ? Role::kReader : Role::kOperator;
}

grpc::Status for_operators(const std::string& name)
{
    return refuse({.code = grpc::StatusCode::PERMISSION_DENIED,
                   .reason = reason::kOperatorsOnly,
                   .message = "this is for operators, and the certificate of \"" + name +
                              "\" is a reader's; pinwardend has the names of operators from --tls-operator",
                   .metadata = {{"certificate", name}}});
}

// "ipv4:127.0.0.1:4321" or "ipv6:%5B::1%5D:4321" → as people write it.
std::string address_of(std::string peer)
{
    for (const auto& [from, to] : {std::pair{"ipv4:", ""}, {"ipv6:", ""}, {"%5B", "["}, {"%5D", "]"}}) {
        if (const auto place = peer.find(from); place != std::string::npos) {
            peer.replace(place, std::string_view(from).size(), to);
        }
    }
    return peer;
}

}  // namespace

std::vector<std::string> certificate_names(const PeerProperties& peer)
{
    if (peer(GRPC_X509_SAN_PROPERTY_NAME).empty()) {
        return peer(GRPC_X509_CN_PROPERTY_NAME);
    }
    std::vector<std::string> names = peer(GRPC_PEER_DNS_PROPERTY_NAME);
    std::ranges::move(peer(GRPC_PEER_URI_PROPERTY_NAME), std::back_inserter(names));
    return names;
}

std::expected<CertificateAccess::Known, grpc::Status> CertificateAccess::find(const PeerProperties& peer) const
{
    std::optional<Known> best;
    std::string names;
    for (const std::string& name : certificate_names(peer)) {
        names += (names.empty() ? "\"" : ", \"") + name + "\"";
        const auto found = roles_.find(name);
        if (found != roles_.end() && (!best || found->second > best->role)) {
            best = Known{name, found->second};
        }
    }
    if (best) {
        return *std::move(best);
    }
    return std::unexpected(
        refuse({.code = grpc::StatusCode::PERMISSION_DENIED,
                .reason = reason::kNoRole,
                .message = "no role belongs to this certificate (its names: " + (names.empty() ? "none" : names) +
                           "); pinwardend has the names of those who may look from --tls-reader, and of those who may "
                           "do everything from --tls-operator"}));
}

grpc::Status CertificateAccess::may_call(const PeerProperties& peer, std::string_view method) const
{
    const auto known = find(peer);
    if (!known) {
        return known.error();
    }
    return known->role >= role_for(method) ? grpc::Status::OK : for_operators(known->name);
}

grpc::Status CertificateAccess::only_operators(const grpc::ServerContextBase& context) const
{
    const auto known = find(properties_of(context));
    if (!known) {
        return known.error();
    }
    return known->role == Role::kOperator ? grpc::Status::OK : for_operators(known->name);
}

std::optional<Requester> CertificateAccess::requester_of(const grpc::ServerContextBase& context) const
{
    const auto known = find(properties_of(context));
    if (!known) {
        return std::nullopt;
    }
    return Requester{.certificate = known->name, .address = address_of(context.peer())};
}

}  // namespace pinwarden
