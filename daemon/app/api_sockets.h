// Where the API is served, and who may call it there.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "app/options.h"
#include "publish/role.h"

namespace pinwarden {

// The group of that name, if the system knows one.
std::optional<gid_t> find_group(const std::string& name);

// Groups that were not asked for by name are left out where there is none of that name: their sockets are then for the
// daemon's own user only.
ApiSockets api_sockets(const Options& options);

// Those whose members may read the API.
std::vector<gid_t> reader_groups(const Options& options);

}  // namespace pinwarden
