#pragma once

#include <pinwarden/v1/config.pb.h>

#include <cstdint>
#include <string>

#include "cli/text.h"

namespace pinwarden::cli {

// `now`: seconds since the Unix epoch.
std::string render_config(const v1::GetConfigResponse& config, std::int64_t now, const Style& style);

}  // namespace pinwarden::cli
