// What the callers of one server may do, and who they are.
#pragma once

#include <grpcpp/support/status.h>

#include <expected>
#include <string>

#include "act/audit_log.h"
#include "publish/peer.h"
#include "publish/role.h"

namespace pinwarden {

class Access {
public:
    // `peers` must outlive this. `operators_socket`: where to ask for what this role may not.
    Access(Role role, const Peers& peers, std::string operators_socket)
        : role_(role), peers_(peers), operators_socket_(std::move(operators_socket))
    {
    }

    // OK where operators are served, else PERMISSION_DENIED.
    [[nodiscard]] grpc::Status only_operators() const;
    // Which operator asks for something. Error: the same, or UNAUTHENTICATED when the connection is gone, so that
    // nobody can be named for what is done.
    [[nodiscard]] std::expected<Requester, grpc::Status> operator_of(const grpc::ServerContext& context) const;

private:
    Role role_;
    const Peers& peers_;
    std::string operators_socket_;
};

}  // namespace pinwarden
