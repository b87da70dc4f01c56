// Any text as policies: refused with places and reasons, or understood, written back to the same, and compiled.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/named_places.h"
#include "fuzz/require.h"
#include "policy/policy_set.h"
#include "policy/policy_yaml.h"

namespace pinwarden::fuzz {
namespace {

// "SOURCE:LINE:COLUMN: what".
bool tells_where(const std::string& message)
{
    constexpr std::string_view kSource = "fuzzed:";
    return message.starts_with(kSource) && message.size() > kSource.size() + 4;
}

void check_compiled(const CompiledPolicies& compiled, std::size_t policies)
{
    require(compiled.pending.size() <= PW_POLICIES, "there is a slot for each");
    const std::uint64_t slots = policies >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << policies) - 1;
    for (const auto& [id, bits] : compiled.prefixes) {
        require((bits & ~slots) == 0 && bits != 0, "a prefix belongs to policies that are there");
    }
    for (const auto& [id, bits] : compiled.callers) {
        require((bits & ~slots) == 0 && bits != 0, "a caller belongs to policies that are there");
    }
}

void check(std::vector<Policy> policies)
{
    std::string written;
    for (const Policy& policy : policies) {
        require(!find_problem(policy), "what is understood is valid");
        written += "---\n" + to_yaml(policy);
    }
    const auto again = parse_policies(written, "fuzzed");
    require(again.has_value(), "what was written is understood");
    require(*again == policies, "and is the same");
    NamedPlaces places;
    const auto compiled = compile(policies, places);
    if (compiled) {
        check_compiled(*compiled, policies.size());
    } else {
        require(!compiled.error().message.empty(), "a refusal has a reason");
    }
    PolicySet set;
    const auto applied = set.apply(policies);
    require(applied || !applied.error().message.empty(), "a refusal has a reason");
}

}  // namespace
}  // namespace pinwarden::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    auto policies = pinwarden::parse_policies(text, "fuzzed");
    if (policies) {
        pinwarden::fuzz::check(std::move(*policies));
    } else {
        pinwarden::fuzz::require(pinwarden::fuzz::tells_where(policies.error().message),
                                 "a refusal says where and why");
    }
    return 0;
}
