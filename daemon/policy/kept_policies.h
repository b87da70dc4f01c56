// What of the policies outlives the daemon, and the text it is kept as: YAML, so that it can be read, mended and
// applied by hand, with what a policy does not say about itself in comments.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"

namespace pinwarden {

// A policy that was applied over the API.
struct KeptPolicy {
    std::string name;
    std::string source;    // Policy::source
    std::string text;      // as YAML; also of one that cannot be put in force
    std::string degraded;  // why its mode is monitor though it was to enforce; empty: nothing to explain

    friend bool operator==(const KeptPolicy&, const KeptPolicy&) = default;
};

// A mode that was set for a policy of a file given on the command line.
struct KeptMode {
    std::string name;
    Mode mode = Mode::kMonitor;
    std::string text;      // the policy as YAML, as the file had it: the mode is for that one only
    std::string degraded;  // the same

    friend bool operator==(const KeptMode&, const KeptMode&) = default;
};

struct KeptPolicies {
    std::vector<KeptPolicy> policies;  // in the order of evaluation
    std::vector<KeptMode> modes;

    friend bool operator==(const KeptPolicies&, const KeptPolicies&) = default;
};

// Control characters of names, sources and reasons become blanks.
std::string to_text(const KeptPolicies& kept);
// Reads that back. The policies' own text is not looked at. Error code EINVAL, with the line, for what is no such text,
// or not all of it.
Result<KeptPolicies> parse_kept(std::string_view text);

// One that is to be kept from now on.
KeptPolicy kept_policy(const Policy& policy, const std::string& degraded = "");
// The policy again, with its source. Error code EINVAL: it is none this version understands.
Result<Policy> policy_of(const KeptPolicy& kept);
// Whether the mode was set for this very policy, and not for another text of the same name.
bool is_for(const KeptMode& mode, const Policy& policy);

}  // namespace pinwarden
