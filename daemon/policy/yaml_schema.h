// One YAML document to one Policy: the table of fields, and how each is read.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"
#include "policy/policy_yaml.h"
#include "policy/yaml_tree.h"

namespace pinwarden {

// Error: "SOURCE:LINE:COLUMN: FIELD: what is wrong (hint)", code EINVAL. The policy has passed validate().
Result<Policy> read_policy(const YamlNode& document, const std::string& source);

}  // namespace pinwarden
