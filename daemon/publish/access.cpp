#include "publish/access.h"

#include <grpcpp/grpcpp.h>

namespace pinwarden {

grpc::Status Access::only_operators() const
{
    if (role_ == Role::kOperator) {
        return grpc::Status::OK;
    }
    return {grpc::StatusCode::PERMISSION_DENIED,
            "this is for operators, and was asked on the socket for readers; ask on " + operators_socket_};
}

std::expected<Requester, grpc::Status> Access::operator_of(const grpc::ServerContext& context) const
{
    if (grpc::Status allowed = only_operators(); !allowed.ok()) {
        return std::unexpected(std::move(allowed));
    }
    if (const auto peer = peers_.of(context)) {
        return *peer;
    }
    return std::unexpected(
        grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "it is not known who asks for this: the connection is gone"));
}

}  // namespace pinwarden
