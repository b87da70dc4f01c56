// The one result type of the daemon. Errors are values; exceptions do not cross a room.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace pinwarden {

// What failed, on what, why, and what to do, in one message; `code` is a positive errno, or 0 where none applies.
struct Error {
    std::string message;
    int code = 0;

    // Adds what the caller was doing in front: "open policy: /etc/x: no such file".
    [[nodiscard]] Error within(const std::string& context) const { return {context + ": " + message, code}; }
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string message, int code = 0)
{
    return std::unexpected(Error{std::move(message), code});
}

// "MESSAGE: strerror(code)", from an errno (either sign is accepted and made positive).
Error system_error(const std::string& message, int code);

}  // namespace pinwarden
