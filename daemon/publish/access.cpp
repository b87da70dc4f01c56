#include "publish/access.h"

#include <grpcpp/grpcpp.h>

#include "publish/status.h"

namespace pinwarden {

std::expected<Requester, grpc::Status> Access::operator_of(const grpc::ServerContextBase& context) const
{
    if (grpc::Status allowed = only_operators(context); !allowed.ok()) {
        return std::unexpected(std::move(allowed));
    }
    if (auto requester = requester_of(context)) {
        return *std::move(requester);
    }
    return std::unexpected(refuse({.code = grpc::StatusCode::UNAUTHENTICATED,
                                   .reason = reason::kConnectionGone,
                                   .message = "it is not known who asks for this: the connection is gone"}));
}

grpc::Status SocketAccess::only_operators(const grpc::ServerContextBase& /*context*/) const
{
    if (role_ == Role::kOperator) {
        return grpc::Status::OK;
    }
    return refuse(
        {.code = grpc::StatusCode::PERMISSION_DENIED,
         .reason = reason::kOperatorsOnly,
         .message = "this is for operators, and was asked on the socket for readers; ask on " + operators_socket_,
         .metadata = {{"socket", operators_socket_}}});
}

std::optional<Requester> SocketAccess::requester_of(const grpc::ServerContextBase& context) const
{
    return peers_.of(context);
}

grpc::Status OnlyLooking::only_operators(const grpc::ServerContextBase& /*context*/) const
{
    return refuse(
        {.code = grpc::StatusCode::FAILED_PRECONDITION,
         .reason = reason::kOnlyRecorded,
         .message = "this is a recording: it can be looked at, and nothing can be changed or asked of a kernel"});
}

std::optional<Requester> OnlyLooking::requester_of(const grpc::ServerContextBase& /*context*/) const
{
    return std::nullopt;
}

}  // namespace pinwarden
