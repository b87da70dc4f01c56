#include "cli/connection.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <system_error>
#include <utility>

#include "cli/files.h"
#include "cli/text.h"

namespace pinwarden::cli {
namespace {

std::string reason_for(int error)
{
    switch (error) {
        case ENOENT:
            return "no such socket. Is it running? Start it with `./dev run` or `systemctl start pinwardend`, "
                   "or give --socket.";
        case ECONNREFUSED:
            return "nobody listens there. Did it die? Start it with `./dev run` or `systemctl start "
                   "pinwardend`, or give --socket.";
        case EACCES:
            return "permission denied. Members of the group pinwarden may look, those of pinwarden-admin may do "
                   "everything, where these groups exist; or try with sudo.";
        default: return std::generic_category().message(error) + ".";
    }
}

// Connecting ourselves, because gRPC's own attempt ends in a message that says little, after retries.
std::expected<int, NotReached> connect_to(const std::string& path)
{
    const std::string cannot = "cannot reach pinwardend at " + visible(path) + ": ";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return std::unexpected(NotReached{
            EINVAL, cannot + "the path must have 1 to " + std::to_string(sizeof(address.sun_path) - 1) + " bytes."});
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // NOLINT: how the socket API is made
    if (fd < 0 || ::connect(fd, generic, sizeof(address)) != 0 || ::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        const int error = errno;
        if (fd >= 0) {
            ::close(fd);
        }
        return std::unexpected(NotReached{error, cannot + reason_for(error)});
    }
    return fd;
}

// Over TCP, where gRPC's own words are all there is.
std::string tls_failure(const std::string& message, const TlsArguments& tls)
{
    return "cannot talk to pinwardend at " + visible(tls.address) + ": " + message +
           ". Somebody must serve there; its certificate must have the host's name and be by an authority in " +
           visible(tls.ca) + ", and yours must be valid and by one in pinwardend's --tls-client-ca.";
}

// A machine with very many pins has a large answer.
grpc::ChannelArguments channel_arguments()
{
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    return arguments;
}

using Reached = std::expected<std::shared_ptr<grpc::Channel>, NotReached>;

Reached channel_by_socket(Arguments& chosen)
{
    auto fd = connect_to(chosen.socket);
    if (!fd && fd.error().error == EACCES && !chosen.socket_given) {
        if (const auto reading = connect_to(std::string(kDefaultReaderSocket))) {
            chosen.socket = kDefaultReaderSocket;
            fd = reading;
        }
    }
    if (!fd) {
        return std::unexpected(fd.error());
    }
    return grpc::CreateCustomInsecureChannelFromFd("pinwardend", *fd, channel_arguments());
}

Reached channel_by_tls(Arguments& chosen)
{
    chosen.socket = chosen.tls.address;
    grpc::SslCredentialsOptions options;
    std::istringstream nothing;
    for (const auto& [file, text] : {std::pair{&chosen.tls.ca, &options.pem_root_certs},
                                     std::pair{&chosen.tls.certificate, &options.pem_cert_chain},
                                     std::pair{&chosen.tls.key, &options.pem_private_key}}) {
        auto read = read_file(*file, nothing);
        if (!read) {
            return std::unexpected(NotReached{0, read.error()});
        }
        *text = std::move(*read);
    }
    return grpc::CreateCustomChannel(chosen.tls.address, grpc::SslCredentials(options), channel_arguments());
}

}  // namespace

std::string message_for(const grpc::Status& status, const Arguments& arguments)
{
    const std::string& socket = arguments.socket;
    const TlsArguments& tls = arguments.tls;
    std::string message = visible(status.error_message());
    switch (status.error_code()) {
        case grpc::StatusCode::DEADLINE_EXCEEDED:
            return "pinwardend at " + visible(socket) + " did not answer in time; see its log for what keeps it busy";
        case grpc::StatusCode::UNAVAILABLE:
            if (!tls.address.empty()) {
                return tls_failure(message, tls);
            }
            return "pinwardend at " + visible(socket) + " went away: " + message;
        case grpc::StatusCode::UNIMPLEMENTED:
            return "pinwardend at " + visible(socket) + " does not know this call; is it older than this pinctl?";
        case grpc::StatusCode::INVALID_ARGUMENT:
        case grpc::StatusCode::PERMISSION_DENIED:
        case grpc::StatusCode::FAILED_PRECONDITION:
        case grpc::StatusCode::NOT_FOUND:
        case grpc::StatusCode::ABORTED:
        case grpc::StatusCode::RESOURCE_EXHAUSTED: return message;
        default:
            // gRPC has no words for a message that could not be parsed.
            return "pinwardend at " + visible(socket) + " failed: " +
                   (message.empty() ? "it did not understand the request; is something in it not UTF-8?" : message);
    }
}

std::expected<std::shared_ptr<grpc::Channel>, NotReached> reach(Arguments& chosen)
{
    return chosen.tls.address.empty() ? channel_by_socket(chosen) : channel_by_tls(chosen);
}

}  // namespace pinwarden::cli
