// What the callers of one server may do, and who they are.
#pragma once

#include <grpcpp/support/status.h>

#include <expected>
#include <string>

#include "act/audit_log.h"
#include "publish/peer.h"
#include "publish/role.h"

namespace grpc {
class ServerContextBase;
}

namespace pinwarden {

class Access {
public:
    virtual ~Access() = default;

    // OK where an operator calls, else PERMISSION_DENIED.
    [[nodiscard]] virtual grpc::Status only_operators(const grpc::ServerContextBase& context) const = 0;
    // Which operator asks for something. Error: the same, or UNAUTHENTICATED when the connection is gone, so that
    // nobody can be named for what is done.
    [[nodiscard]] std::expected<Requester, grpc::Status> operator_of(const grpc::ServerContextBase& context) const;

protected:
    // Whoever made the connection; nothing when that is not known any more.
    [[nodiscard]] virtual std::optional<Requester> requester_of(const grpc::ServerContextBase& context) const = 0;
};

// Of what can only be looked at, by everybody: a recording.
class OnlyLooking final : public Access {
public:
    [[nodiscard]] grpc::Status only_operators(const grpc::ServerContextBase& context) const override;

private:
    [[nodiscard]] std::optional<Requester> requester_of(const grpc::ServerContextBase& context) const override;
};

// All callers of a server have the same role: that of its Unix socket.
class SocketAccess final : public Access {
public:
    // `peers` must outlive this. `operators_socket`: where to ask for what this role may not.
    SocketAccess(Role role, const Peers& peers, std::string operators_socket)
        : role_(role), peers_(peers), operators_socket_(std::move(operators_socket))
    {
    }

    [[nodiscard]] grpc::Status only_operators(const grpc::ServerContextBase& context) const override;

private:
    [[nodiscard]] std::optional<Requester> requester_of(const grpc::ServerContextBase& context) const override;

    Role role_;
    const Peers& peers_;
    std::string operators_socket_;
};

}  // namespace pinwarden
