// Policy text to plain data. Every message says: source, line and column, field, what is wrong, and a hint.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"

namespace pinwarden {

// One or several YAML documents, a policy each. `source` is the name used in messages and kept in Policy::source.
// Errors (code EINVAL) read "SOURCE:LINE:COLUMN: FIELD: what is wrong (hint)", lines and columns counted from 1. Text
// that is empty, longer than kMaxTextBytes or not UTF-8, anchors and aliases, and more than PW_POLICIES policies
// are refused.
Result<std::vector<Policy>> parse_policies(std::string_view text, const std::string& source);

// The policy as a YAML document that parse_policies reads back to the same policy.
std::string to_yaml(const Policy& policy);

// Which fields the text may have, by the schema's message they belong to: the same as proto/pinwarden/v1/policy.proto
// has.
struct KnownFields {
    std::string message;  // "Policy", "Match", "FileSelector", ...
    std::vector<std::string> fields;
};
std::vector<KnownFields> known_policy_fields();

}  // namespace pinwarden
