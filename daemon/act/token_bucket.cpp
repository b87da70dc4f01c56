#include "act/token_bucket.h"

#include <algorithm>
#include <iterator>

namespace pinwarden {

void TokenBucket::refill(Nanoseconds now)
{
    if (now <= refilled_) {
        return;
    }
    const std::uint64_t come_in = (now - refilled_) / size_.refill_every;
    if (come_in >= size_.tokens - tokens_) {
        tokens_ = size_.tokens;
        refilled_ = now;  // a full bucket gathers no part of a token either
        return;
    }
    tokens_ += come_in;
    refilled_ += come_in * size_.refill_every;
}

void TokenBucket::give_back()
{
    tokens_ = std::min(tokens_ + 1, size_.tokens);
}

TokenBuckets::Taken TokenBuckets::take(const std::string& policy, Nanoseconds now)
{
    TokenBucket& own = policies_.try_emplace(policy, per_policy_, now).first->second;
    own.refill(now);
    total_.refill(now);
    if (own.empty()) {
        return Taken::kPolicyEmpty;
    }
    if (total_.empty()) {
        return Taken::kTotalEmpty;
    }
    own.take();
    total_.take();
    return Taken::kOk;
}

void TokenBuckets::give_back(const std::string& policy)
{
    if (const auto own = policies_.find(policy); own != policies_.end()) {
        own->second.give_back();
    }
    total_.give_back();
}

void TokenBuckets::keep(const std::vector<std::string>& policies, Nanoseconds now)
{
    for (auto one = policies_.begin(); one != policies_.end();) {
        auto& [policy, bucket] = *one;
        bucket.refill(now);
        const bool wanted = std::ranges::find(policies, policy) != policies.end();
        one = bucket.full() && !wanted ? policies_.erase(one) : std::next(one);
    }
}

}  // namespace pinwarden
