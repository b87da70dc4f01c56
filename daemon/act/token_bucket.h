// How many signals may be sent: a burst, then one now and then. Keeps a policy gone wrong from ending in a kill storm.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"

namespace pinwarden {

struct BucketSize {
    std::uint64_t tokens = 0;      // when it is full
    Nanoseconds refill_every = 0;  // one token
};

// One bucket. Starts full.
class TokenBucket {
public:
    // Both of `size` must not be 0.
    TokenBucket(BucketSize size, Nanoseconds now) : size_(size), tokens_(size.tokens), refilled_(now) {}

    // Adds what has come in since the last call. A time before that one adds nothing.
    void refill(Nanoseconds now);
    void take() { --tokens_; }  // of one that is not empty
    void give_back();
    [[nodiscard]] bool empty() const { return tokens_ == 0; }
    [[nodiscard]] bool full() const { return tokens_ == size_.tokens; }

private:
    BucketSize size_;
    std::uint64_t tokens_;
    Nanoseconds refilled_;  // the time up to which tokens have come in
};

// One bucket for each policy, and one for all together.
class TokenBuckets {
public:
    enum class Taken { kOk, kPolicyEmpty, kTotalEmpty };

    static constexpr BucketSize kPerPolicy{10, 15'000'000'000};
    static constexpr BucketSize kTotal{30, 5'000'000'000};

    explicit TokenBuckets(Nanoseconds now, BucketSize per_policy = kPerPolicy, BucketSize total = kTotal)
        : per_policy_(per_policy), total_(total, now)
    {
    }

    // A token of each, or of neither.
    Taken take(const std::string& policy, Nanoseconds now);
    // What was taken and not used.
    void give_back(const std::string& policy);
    // Forgets policies that are not among these. One whose bucket is not full is kept until it is, so that removing a
    // policy and adding it again fills no bucket.
    void keep(const std::vector<std::string>& policies, Nanoseconds now);

    [[nodiscard]] std::size_t known() const { return policies_.size(); }

private:
    BucketSize per_policy_;
    TokenBucket total_;
    std::map<std::string, TokenBucket> policies_;
};

}  // namespace pinwarden
