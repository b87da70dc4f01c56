// Policies out of the files that hold them, with everything that is wrong with these.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"
#include "policy/yaml_tree.h"

namespace pinwarden {

struct PlacedPolicy {
    Policy policy;
    YamlPlace place;  // of its name in Policy::source
};

struct LoadedPolicies {
    std::vector<PlacedPolicy> placed;  // in the order of evaluation
    // Of each document the first mistake, and what is wrong with files, folders and all together. With one, `placed` is
    // not to be used.
    std::vector<Error> errors;

    [[nodiscard]] std::vector<Policy> policies() const;
};

// Each path is a file of one or several policies, or a folder of which every *.yaml is read in the order of their names
// (hidden files are skipped; a *.yml is refused, so that it is not overlooked). A folder without any gives no policies.
// Names that are taken are refused, both places named, and so are more than PW_POLICIES policies. Error code ENOENT,
// EACCES, ... where a file cannot be read.
LoadedPolicies load_policies(const std::vector<std::string>& paths);

}  // namespace pinwarden
