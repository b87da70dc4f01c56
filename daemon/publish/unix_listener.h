// A listening Unix socket that only its owner, and if told so a group, may use; taken over from a dead predecessor but
// never from a live one.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "publish/connection_gate.h"

namespace pinwarden {

class UnixListener {
public:
    // Listens on `path` with mode 0600, or 0660 for a group, from the first moment on; a missing parent folder is
    // created with mode 0755. What a dead server left there is replaced. Error EADDRINUSE when somebody serves it; it
    // is then left alone.
    static Result<std::unique_ptr<UnixListener>> listen(const std::string& path, std::optional<gid_t> group = {});
    // Stops accepting and removes the socket, unless another has taken its place.
    ~UnixListener();
    UnixListener(const UnixListener&) = delete;
    UnixListener& operator=(const UnixListener&) = delete;

    // Calls `serve` on a thread of its own with every connection that has begun to speak HTTP/2: non-blocking, to be
    // closed by who gets it. Once only.
    void start(std::function<void(int fd)> serve, const ConnectionLimits& limits = {});
    // No connection is accepted after this.
    void stop();

private:
    UnixListener(std::string path, OwnedFd socket, OwnedFd wake);
    void accept_until_stopped();
    [[nodiscard]] bool accept_one();

    const std::string path_;
    OwnedFd socket_;
    OwnedFd wake_;  // eventfd
    dev_t device_ = 0;
    ino_t inode_ = 0;
    std::optional<ConnectionGate> gate_;
    std::thread thread_;
};

}  // namespace pinwarden
