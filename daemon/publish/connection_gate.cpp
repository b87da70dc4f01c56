#include "publish/connection_gate.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace pinwarden {
namespace {

// What every client of HTTP/2 begins with, without waiting for the server (RFC 9113, 3.4).
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// How soon the rest of it is looked for.
constexpr std::chrono::milliseconds kLookAgain{100};

enum class Spoken { kNothing, kSome, kAll, kOther };

Spoken spoken(int fd)
{
    std::array<char, kPreface.size()> bytes{};
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? Spoken::kNothing : Spoken::kOther;
    }
    const std::string_view text(bytes.data(), static_cast<std::size_t>(got));
    if (text.empty() || !kPreface.starts_with(text)) {
        return Spoken::kOther;
    }
    return text.size() == kPreface.size() ? Spoken::kAll : Spoken::kSome;
}

// Whether the other end, or who serves it, has closed it.
bool is_over(int fd)
{
    pollfd state{.fd = fd, .events = 0, .revents = 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace

void ConnectionGate::arrived(OwnedFd fd, Clock::time_point now)
{
    if (served_.size() >= limits_.served) {
        std::erase_if(served_, [](const OwnedFd& one) { return is_over(one.get()); });
    }
    if (served_.size() >= limits_.served) {
        return;
    }
    silent_.push_back({.fd = std::move(fd), .until = now + limits_.patience});
    if (silent_.size() > limits_.silent) {
        silent_.pop_front();
    }
}

void ConnectionGate::watch(std::vector<pollfd>& watched) const
{
    for (const Silent& one : silent_) {
        if (!one.begun) {
            watched.push_back({.fd = one.fd.get(), .events = POLLIN, .revents = 0});
        }
    }
    for (const OwnedFd& one : served_) {
        watched.push_back({.fd = one.get(), .events = 0, .revents = 0});
    }
}

int ConnectionGate::wait(Clock::time_point now) const
{
    if (silent_.empty()) {
        return -1;
    }
    auto longest = std::chrono::ceil<std::chrono::milliseconds>(silent_.front().until - now);
    if (std::ranges::any_of(silent_, &Silent::begun)) {
        longest = std::min(longest, kLookAgain);
    }
    return static_cast<int>(std::max(longest, std::chrono::milliseconds(0)).count());
}

void ConnectionGate::look(Clock::time_point now)
{
    std::erase_if(served_, [](const OwnedFd& one) { return is_over(one.get()); });
    std::erase_if(silent_, [&](Silent& one) {
        switch (spoken(one.fd.get())) {
            case Spoken::kNothing: break;
            case Spoken::kSome: one.begun = true; break;
            case Spoken::kAll: admit(std::move(one.fd)); return true;
            case Spoken::kOther: return true;
        }
        return now >= one.until;
    });
}

void ConnectionGate::admit(OwnedFd fd)
{
    OwnedFd second(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (served_.size() >= limits_.served || !second.valid()) {
        return;
    }
    served_.push_back(std::move(second));
    serve_(fd.release());
}

}  // namespace pinwarden
