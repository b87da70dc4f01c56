#include "publish/peer.h"

#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

namespace pinwarden {

void Peers::accepted(int fd)
{
    ucred peer{};
    socklen_t length = sizeof(peer);
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    const std::string name = "fd:" + std::to_string(fd);
    const std::scoped_lock lock(mutex_);
    if (known) {
        peers_.insert_or_assign(name, Requester{.uid = peer.uid, .pid = static_cast<std::uint32_t>(peer.pid)});
    } else {
        peers_.erase(name);
    }
}

std::optional<Requester> Peers::of(const grpc::ServerContextBase& context) const
{
    const auto found = named(context.peer());
    // Another connection may have that number by now, but then this one was closed, and its calls are cancelled.
    return context.IsCancelled() ? std::nullopt : found;
}

std::optional<Requester> Peers::named(const std::string& name) const
{
    const std::scoped_lock lock(mutex_);
    const auto found = peers_.find(name);
    return found == peers_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace pinwarden
