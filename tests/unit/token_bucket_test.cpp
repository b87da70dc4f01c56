#include "act/token_bucket.h"

#include <catch2/catch.hpp>

namespace pinwarden {
namespace {

using Taken = TokenBuckets::Taken;

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kStart = 1000 * kSecond;

// How many tokens there are to take at that time.
int drain(TokenBuckets& buckets, const std::string& policy, Nanoseconds now)
{
    int taken = 0;
    while (buckets.take(policy, now) == Taken::kOk) {
        ++taken;
    }
    return taken;
}

}  // namespace

TEST_CASE("a policy has a burst, and then one signal now and then", "[limits]")
{
    TokenBuckets buckets(kStart);
    CHECK(drain(buckets, "a", kStart) == 10);
    CHECK(buckets.take("a", kStart) == Taken::kPolicyEmpty);
    CHECK(buckets.take("a", kStart + 15 * kSecond - 1) == Taken::kPolicyEmpty);
    CHECK(drain(buckets, "a", kStart + 15 * kSecond) == 1);
    // Parts of a token add up however often one looks.
    for (Nanoseconds second = 16; second < 30; ++second) {
        CHECK(buckets.take("a", kStart + second * kSecond) == Taken::kPolicyEmpty);
    }
    CHECK(drain(buckets, "a", kStart + 30 * kSecond) == 1);
    CHECK(drain(buckets, "a", kStart + 100'000 * kSecond) == 10);
}

TEST_CASE("one policy does not use up another's signals, but all share the total", "[limits]")
{
    TokenBuckets buckets(kStart);
    CHECK(drain(buckets, "a", kStart) == 10);
    CHECK(drain(buckets, "b", kStart) == 10);
    CHECK(drain(buckets, "c", kStart) == 10);
    CHECK(buckets.take("d", kStart) == Taken::kTotalEmpty);
    CHECK(buckets.take("a", kStart) == Taken::kPolicyEmpty);
    // What the total refused was not taken from the policy either.
    CHECK(drain(buckets, "d", kStart + 45 * kSecond) == 9);
    CHECK(buckets.take("d", kStart + 45 * kSecond) == Taken::kTotalEmpty);
    CHECK(drain(buckets, "d", kStart + 50 * kSecond) == 1);
}

TEST_CASE("what was not used is given back, and no more than that", "[limits]")
{
    TokenBuckets buckets(kStart, {2, kSecond}, {2, kSecond});
    CHECK(drain(buckets, "a", kStart) == 2);
    buckets.give_back("a");
    CHECK(drain(buckets, "a", kStart) == 1);
    buckets.give_back("a");
    buckets.give_back("a");
    buckets.give_back("a");
    CHECK(drain(buckets, "a", kStart) == 2);
    buckets.give_back("unknown");
    CHECK(buckets.take("a", kStart) == Taken::kPolicyEmpty);
    CHECK(drain(buckets, "b", kStart) == 1);
}

TEST_CASE("a clock that goes back fills nothing", "[limits]")
{
    TokenBuckets buckets(kStart, {2, kSecond}, {2, kSecond});
    CHECK(drain(buckets, "a", kStart) == 2);
    CHECK(buckets.take("a", 0) == Taken::kPolicyEmpty);
    CHECK(buckets.take("a", kStart) == Taken::kPolicyEmpty);
    CHECK(drain(buckets, "a", kStart + kSecond) == 1);
}

TEST_CASE("a removed policy is forgotten, but only when its bucket is full", "[limits]")
{
    TokenBuckets buckets(kStart);
    CHECK(buckets.take("a", kStart) == Taken::kOk);
    CHECK(drain(buckets, "b", kStart) == 10);
    CHECK(buckets.known() == 2);
    buckets.keep({}, kStart);
    CHECK(buckets.known() == 2);
    CHECK(buckets.take("b", kStart) == Taken::kPolicyEmpty);
    buckets.keep({}, kStart + 15 * kSecond);
    CHECK(buckets.known() == 1);
    buckets.keep({"b"}, kStart + 1000 * kSecond);
    CHECK(buckets.known() == 1);
    buckets.keep({}, kStart + 1000 * kSecond);
    CHECK(buckets.known() == 0);
}

}  // namespace pinwarden
