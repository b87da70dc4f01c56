// Who is at the other end of a connection.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "act/audit_log.h"

namespace grpc {
class ServerContextBase;
}

namespace pinwarden {

// What the kernel says of each connection of a Unix socket: the process that made it, as the daemon's own namespaces
// number it. One in a pid namespace that is not below the daemon's has pid 0, and a uid that has no number in the
// daemon's user namespace is the overflow uid, 65534.
class Peers {
public:
    // To be called before gRPC gets the connection.
    void accepted(int fd);

    // Whoever made the connection that this call came over. Nothing when that is not known any more: the connection has
    // been closed.
    std::optional<Requester> of(const grpc::ServerContextBase& context) const;
    // The same for the name that gRPC has for a connection it was given: "fd:7".
    std::optional<Requester> named(const std::string& name) const;

private:
    mutable std::mutex mutex_;
    // By gRPC's name. Numbers of descriptors are used again, and overwritten here before they are: so there are never
    // more than there were connections at once.
    std::map<std::string, Requester> peers_;
};

}  // namespace pinwarden
