// The last conflicts as a table.
#pragma once

#include <pinwarden/v1/conflicts.pb.h>

#include <string>

#include "cli/text.h"

namespace pinwarden::cli {

std::string render_conflicts(const v1::ListConflictsResponse& list, const Style& style);

}  // namespace pinwarden::cli
