// Who looks at the status page.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "publish/http_server.h"

namespace pinwarden {

// Which user's process has the other end of a connection over loopback: the kernel tells. Nothing when it does not know
// such a connection, or it does not run over loopback.
std::optional<uid_t> user_of(const HttpPeer& peer, const HttpAddress& served);

// Users that may see what the API's readers see. HTTP over loopback is open to every process of the machine, so that
// the group that opens a socket's file has to be asked for here.
class Viewers {
public:
    // Members of these groups may, and root, and the daemon's own user.
    explicit Viewers(std::vector<gid_t> groups = {}) : groups_(std::move(groups)) {}

    // Any thread.
    bool may_see_details(uid_t user);

private:
    struct Known {
        bool may = false;
        std::chrono::steady_clock::time_point until;
    };
    [[nodiscard]] bool is_member(uid_t user) const;

    const std::vector<gid_t> groups_;
    std::mutex mutex_;
    std::map<uid_t, Known> known_;
};

}  // namespace pinwarden
