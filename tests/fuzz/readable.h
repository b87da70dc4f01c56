// What a client can read.
#pragma once

#include <google/protobuf/message.h>

#include "fuzz/require.h"

namespace pinwarden::fuzz {

// A string that is not UTF-8 is written, but not read.
template <typename Message>
void require_readable(const Message& message)
{
    Message read;
    require(read.ParseFromString(message.SerializeAsString()), "an answer can be read");
}

}  // namespace pinwarden::fuzz
