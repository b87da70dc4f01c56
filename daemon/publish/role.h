// What a connection to the API may be used for. Roles belong to sockets, not to users: whoever may open a socket has
// its role.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace pinwarden {

enum class Role : std::uint8_t { kReader, kOperator };

struct ApiSocket {
    std::string path;
    std::optional<gid_t> group = {};  // whose members may open it as well
};

struct ApiSockets {
    ApiSocket operators;
    std::optional<ApiSocket> readers = {};
};

}  // namespace pinwarden
