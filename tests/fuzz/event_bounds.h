// What holds for every event that the decoder makes, whatever the record's bytes were.
#pragma once

#include "decode/event.h"

namespace pinwarden::fuzz {

void check_bounds(const Event& event);

}  // namespace pinwarden::fuzz
