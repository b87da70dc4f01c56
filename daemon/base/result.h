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
    // Part of a request or a policy that is at fault, as the API's protos name it: "filter.pids[2]". Empty: no single
    // one is, or it is not known.
    std::string field = {};

    // Adds what the caller was doing in front: "open policy: /etc/x: no such file".
    [[nodiscard]] Error within(const std::string& context) const { return {context + ": " + message, code, field}; }
    // The same error of a larger whole, in which what it is about is at `parent`.
    [[nodiscard]] Error below(const std::string& parent) const
    {
        return {message, code, field.empty() ? parent : parent + "." + field};
    }
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string message, int code = 0)
{
    return std::unexpected(Error{std::move(message), code});
}

// "FIELD: WHAT", for a field that is at fault.
inline std::unexpected<Error> fail_at(std::string field, const std::string& what, int code)
{
    std::string message = field + ": " + what;
    return std::unexpected(Error{std::move(message), code, std::move(field)});
}

// "MESSAGE: strerror(code)", from an errno (either sign is accepted and made positive).
Error system_error(const std::string& message, int code);

}  // namespace pinwarden
