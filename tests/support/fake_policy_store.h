// Keeps policies in a variable.
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "policy/policy_store.h"

namespace pinwarden::test {

class FakePolicyStore final : public PolicyStore {
public:
    KeptPolicies kept;
    std::string problem;
    bool full = false;
    int saves = 0;

    Loaded load() override { return {kept, problem}; }
    Result<void> save(const KeptPolicies& next) override
    {
        if (full) {
            return fail("write policies.yaml: No space left on device", ENOSPC);
        }
        kept = next;
        ++saves;
        return {};
    }

    [[nodiscard]] std::vector<std::string> names() const
    {
        std::vector<std::string> names;
        for (const KeptPolicy& policy : kept.policies) {
            names.push_back(policy.name);
        }
        return names;
    }
};

}  // namespace pinwarden::test
