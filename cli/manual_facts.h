// What the manual page of pinctl says besides its options.
#pragma once

#include "cli/manual/manual_page.h"

namespace pinwarden::cli {

ManualFacts pinctl_manual();

}  // namespace pinwarden::cli
