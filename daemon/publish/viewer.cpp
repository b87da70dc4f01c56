#include "publish/viewer.h"

#include <arpa/inet.h>
#include <grp.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/fd.h"

namespace pinwarden {
namespace {

// How long it is remembered what a user may: user databases may be far away.
constexpr std::chrono::seconds kRemembered{10};
constexpr std::size_t kMostRemembered = 1024;

struct Question {
    nlmsghdr head;
    inet_diag_req_v2 body;
};

// The addresses of both ends; false when they are not of one family, or not on loopback.
bool set_ends(const HttpPeer& peer, const HttpAddress& served, inet_diag_req_v2& out)
{
    // From the other end's side: its own is the source.
    out.id.idiag_sport = htons(peer.port);
    out.id.idiag_dport = htons(served.port);
    out.sdiag_family = static_cast<__u8>(served.socket.ss_family);
    if (served.socket.ss_family == AF_INET6) {
        sockaddr_in6 here{};
        std::memcpy(&here, &served.socket, sizeof(here));
        in6_addr there{};
        if (inet_pton(AF_INET6, peer.address.c_str(), &there) != 1 || !IN6_IS_ADDR_LOOPBACK(&there)) {
            return false;
        }
        std::memcpy(out.id.idiag_src, &there, sizeof(there));
        std::memcpy(out.id.idiag_dst, &here.sin6_addr, sizeof(here.sin6_addr));
        return true;
    }
    constexpr std::uint32_t kLoopbackNet = 127;
    sockaddr_in here{};
    std::memcpy(&here, &served.socket, sizeof(here));
    in_addr there{};
    if (inet_pton(AF_INET, peer.address.c_str(), &there) != 1 || (ntohl(there.s_addr) >> 24U) != kLoopbackNet) {
        return false;
    }
    out.id.idiag_src[0] = there.s_addr;
    out.id.idiag_dst[0] = here.sin_addr.s_addr;
    return true;
}

}  // namespace

std::optional<uid_t> user_of(const HttpPeer& peer, const HttpAddress& served)
{
    Question question{};
    if (!served.is_loopback() || !set_ends(peer, served, question.body)) {
        return std::nullopt;
    }
    question.head = {.nlmsg_len = sizeof(question),
                     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                     .nlmsg_flags = NLM_F_REQUEST,
                     .nlmsg_seq = 1,
                     .nlmsg_pid = 0};
    question.body.sdiag_protocol = IPPROTO_TCP;
    question.body.idiag_states = ~0U;
    question.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    question.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    const OwnedFd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!fd.valid() || ::send(fd.get(), &question, sizeof(question), 0) != sizeof(question)) {
        return std::nullopt;
    }
    alignas(nlmsghdr) std::array<char, 4096> bytes{};
    const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
    nlmsghdr head{};
    inet_diag_msg answer{};
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(answer)))) {
        return std::nullopt;
    }
    std::memcpy(&head, bytes.data(), sizeof(head));
    std::memcpy(&answer, bytes.data() + NLMSG_HDRLEN, sizeof(answer));
    // A connection that its process has closed has no inode any more, and says that it is root's.
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || answer.idiag_inode == 0) {
        return std::nullopt;
    }
    return answer.idiag_uid;
}

bool Viewers::is_member(uid_t user) const
{
    if (user == 0 || user == ::geteuid()) {
        return true;
    }
    std::array<char, 16384> room{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(user, &entry, room.data(), room.size(), &found) != 0 || found == nullptr) {
        return false;
    }
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
    }
    groups.resize(static_cast<std::size_t>(count));
    return std::ranges::any_of(groups,
                               [this](gid_t group) { return std::ranges::find(groups_, group) != groups_.end(); });
}

bool Viewers::may_see_details(uid_t user)
{
    const auto now = std::chrono::steady_clock::now();
    {
        const std::scoped_lock lock(mutex_);
        if (const auto known = known_.find(user); known != known_.end() && now < known->second.until) {
            return known->second.may;
        }
    }
    const bool may = is_member(user);
    const std::scoped_lock lock(mutex_);
    if (known_.size() >= kMostRemembered) {
        known_.clear();
    }
    known_[user] = {.may = may, .until = now + kRemembered};
    return may;
}

}  // namespace pinwarden
