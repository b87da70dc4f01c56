#include "publish/unix_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace pinwarden {
namespace {

constexpr mode_t kSocketMode = 0600;
constexpr mode_t kGroupSocketMode = 0660;
constexpr int kBacklog = 64;
// Another pinwardend needs the folder for an instant only.
constexpr std::chrono::seconds kLockPatience{2};
constexpr std::chrono::milliseconds kRetry{20};

Result<sockaddr_un> address_of(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return fail("socket path \"" + path + "\" must have 1 to " + std::to_string(sizeof(address.sun_path) - 1) +
                        " bytes; choose another with --socket or --reader-socket",
                    EINVAL);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

const sockaddr* generic(const sockaddr_un& address)
{
    return reinterpret_cast<const sockaddr*>(&address);  // NOLINT: how the socket API is made
}

Result<void> create_folder(const std::filesystem::path& folder)
{
    std::error_code error;
    if (std::filesystem::exists(folder, error)) {
        return {};
    }
    std::filesystem::create_directories(folder, error);
    if (!error) {
        std::filesystem::permissions(folder, std::filesystem::perms{0755}, error);
    }
    if (error) {
        return std::unexpected(system_error("create folder " + folder.string() + " for the socket", error.value()));
    }
    return {};
}

// Between looking whether a socket is dead and replacing it, no other daemon may do the same.
Result<OwnedFd> lock_folder(const std::filesystem::path& folder)
{
    OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
        return std::unexpected(system_error("open folder " + folder.string() + " of the socket", errno));
    }
    const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > deadline) {
            return std::unexpected(system_error("lock folder " + folder.string() + " of the socket", errno));
        }
        std::this_thread::sleep_for(kRetry);
    }
    return fd;
}

// Removes what a dead server left at `path`.
Result<void> clear_way(const std::string& path, const sockaddr_un& address)
{
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>{} : std::unexpected(system_error("look at " + path, errno));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(
            path + " exists and is not a socket; remove it, or choose another place with --socket or --reader-socket",
            EEXIST);
    }
    const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.valid()) {
        return std::unexpected(system_error("create a socket", errno));
    }
    // EAGAIN: somebody listens, and has much to do.
    if (::connect(probe.get(), generic(address), sizeof(address)) == 0 || errno == EAGAIN) {
        return fail("socket " + path +
                        " is already served by another pinwardend; stop it, or choose another place with --socket or "
                        "--reader-socket",
                    EADDRINUSE);
    }
    if (errno != ECONNREFUSED) {
        return std::unexpected(system_error("find out whether socket " + path + " is served", errno));
    }
    if (::unlink(path.c_str()) != 0) {
        return std::unexpected(system_error("remove dead socket " + path, errno));
    }
    return {};
}

Result<OwnedFd> bind_and_listen(const std::string& path, const sockaddr_un& address, std::optional<gid_t> group)
{
    OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Linux gives the file the socket's own mode (net/unix/af_unix.c, unix_bind_bsd), so that it is never open to
    // others, not even between bind() and a chmod(); and no umask of the whole process has to change for it.
    if (!fd.valid() || ::fchmod(fd.get(), kSocketMode) != 0) {
        return std::unexpected(system_error("create a socket", errno));
    }
    if (::bind(fd.get(), generic(address), sizeof(address)) != 0) {
        return std::unexpected(system_error("listen on socket " + path, errno));
    }
    // The group first: nobody of the group the file had before may use it.
    if (group &&
        (::lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0 || ::chmod(path.c_str(), kGroupSocketMode) != 0)) {
        const int error = errno;
        ::unlink(path.c_str());
        return std::unexpected(system_error("give socket " + path + " to group " + std::to_string(*group), error));
    }
    if (::listen(fd.get(), kBacklog) != 0) {
        return std::unexpected(system_error("listen on socket " + path, errno));
    }
    return fd;
}

}  // namespace

UnixListener::UnixListener(std::string path, OwnedFd socket, OwnedFd wake)
    : path_(std::move(path)), socket_(std::move(socket)), wake_(std::move(wake))
{
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0) {
        device_ = status.st_dev;
        inode_ = status.st_ino;
    }
}

UnixListener::~UnixListener()
{
    stop();
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
}

Result<std::unique_ptr<UnixListener>> UnixListener::listen(const std::string& path, std::optional<gid_t> group)
{
    const Result<sockaddr_un> address = address_of(path);
    if (!address) {
        return std::unexpected(address.error());
    }
    std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (folder.empty()) {
        folder = ".";
    }
    if (const Result<void> created = create_folder(folder); !created) {
        return std::unexpected(created.error());
    }
    const Result<OwnedFd> lock = lock_folder(folder);
    if (!lock) {
        return std::unexpected(lock.error());
    }
    if (const Result<void> clear = clear_way(path, *address); !clear) {
        return std::unexpected(clear.error());
    }
    OwnedFd wake(::eventfd(0, EFD_CLOEXEC));
    if (!wake.valid()) {
        return std::unexpected(system_error("create an eventfd", errno));
    }
    Result<OwnedFd> socket = bind_and_listen(path, *address, group);
    if (!socket) {
        return std::unexpected(socket.error());
    }
    return std::unique_ptr<UnixListener>(new UnixListener(path, std::move(*socket), std::move(wake)));
}

void UnixListener::start(std::function<void(int fd)> serve, const ConnectionLimits& limits)
{
    gate_.emplace(limits, std::move(serve));
    thread_ = std::thread([this] { accept_until_stopped(); });
}

void UnixListener::stop()
{
    if (!thread_.joinable()) {
        return;
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
    thread_.join();
    socket_.reset();
}

// False when there is no descriptor for it: it stays in the backlog, and poll() would return at once, over and over.
bool UnixListener::accept_one()
{
    OwnedFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) {
        gate_->arrived(std::move(fd), ConnectionGate::Clock::now());
        return true;
    }
    return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
}

void UnixListener::accept_until_stopped()
{
    std::vector<pollfd> watched;
    while (true) {
        watched = {{wake_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        gate_->watch(watched);
        if (::poll(watched.data(), watched.size(), gate_->wait(ConnectionGate::Clock::now())) < 0 && errno != EINTR) {
            return;
        }
        if (watched[0].revents != 0) {
            return;
        }
        if (watched[1].revents != 0 && !accept_one()) {
            ::poll(watched.data(), 1, static_cast<int>(kRetry.count()));
        }
        gate_->look(ConnectionGate::Clock::now());
    }
}

}  // namespace pinwarden
