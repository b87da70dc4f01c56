// Where policies are kept while no daemon runs. The real one is a file; tests have a variable.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "policy/kept_policies.h"

namespace pinwarden {

class PolicyStore {
public:
    PolicyStore() = default;
    PolicyStore(const PolicyStore&) = delete;
    PolicyStore& operator=(const PolicyStore&) = delete;
    virtual ~PolicyStore() = default;

    struct Loaded {
        KeptPolicies kept;
        std::string problem;  // what was kept and cannot be used, why, and what to do; empty when all is well
    };
    // To be called once, before save(). What cannot be used is not lost: it is put aside, or, where that is impossible,
    // every save() fails.
    virtual Loaded load() = 0;
    // All or nothing, and on the disk when it returns.
    virtual Result<void> save(const KeptPolicies& kept) = 0;
};

// The file policies.yaml in a folder of the daemon's own, which is made when there is something to keep.
class FilePolicyStore final : public PolicyStore {
public:
    explicit FilePolicyStore(std::string folder) : path_(std::move(folder) + "/policies.yaml") {}

    Loaded load() override;
    Result<void> save(const KeptPolicies& kept) override;

private:
    // Gives it a name that is free; the problem that is to be told.
    std::string put_aside(const std::string& why);

    std::string path_;
    std::string blocked_;  // why nothing may be saved; empty: it may
};

}  // namespace pinwarden
