// A file operation as an operator writes it: "truncate:0", "punch_hole:64KiB+4096", "umount".
#pragma once

#include <pinwarden/abi.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace pinwarden {

struct RequestedOperation {
    pw_operation_kind operation = PW_OPERATION_TRUNCATE;
    std::uint64_t offset = 0;  // the new size of a truncate
    std::uint64_t length = 0;  // 0 for a truncate and an umount

    friend bool operator==(const RequestedOperation&, const RequestedOperation&) = default;
};

// Error code EINVAL: what is wrong with it, and how it is written.
Result<RequestedOperation> parse_operation(std::string_view text);

}  // namespace pinwarden
