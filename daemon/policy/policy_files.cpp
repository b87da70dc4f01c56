#include "policy/policy_files.h"

#include <pinwarden/abi.h>

#include <cerrno>
#include <map>
#include <string_view>
#include <utility>

#include "policy/policy_yaml.h"
#include "policy/text_file.h"
#include "policy/yaml_schema.h"

namespace pinwarden {
namespace {

static_assert(PW_POLICIES == 64, "said in the message below");
constexpr YamlKind kPolicyYaml{.name = "policy",
                               .most_documents = PW_POLICIES,
                               .too_many = "there are more than 64 policies",
                               .when_empty = "there is none in it; write one with name, mode, match and action"};

void read_documents(std::string_view text, const std::string& source, LoadedPolicies& into)
{
    const auto documents = parse_yaml(text, source, kPolicyYaml);
    if (!documents) {
        into.errors.push_back(documents.error());
        return;
    }
    for (const YamlNode& document : *documents) {
        auto policy = read_policy(document, source);
        if (policy) {
            into.placed.push_back({std::move(*policy), document.find("name")->place});
        } else {
            into.errors.push_back(policy.error());
        }
    }
}

void read_file(const std::string& path, LoadedPolicies& into)
{
    const auto text = read_text_file(path, "policy");
    if (!text) {
        into.errors.push_back(text.error());
        return;
    }
    read_documents(*text, path, into);
}

void read_path(const std::string& path, LoadedPolicies& into)
{
    const auto files = list_files_at(path, "policy");
    if (!files) {
        into.errors.push_back(files.error());
        return;
    }
    for (const std::string& file : *files) {
        read_file(file, into);
    }
}

void refuse_duplicates(LoadedPolicies& loaded)
{
    std::map<std::string, std::string> seen;
    for (const auto& [policy, place] : loaded.placed) {
        const std::string here = to_string(policy.source, place);
        const auto [first, fresh] = seen.emplace(policy.name, here);
        if (!fresh) {
            loaded.errors.push_back(
                {here + ": name: \"" + policy.name + "\" is taken by the policy at " + first->second + "; rename one",
                 EINVAL});
        }
    }
}

void refuse_too_many(LoadedPolicies& loaded)
{
    if (loaded.placed.size() > PW_POLICIES) {
        const auto& [policy, place] = loaded.placed[PW_POLICIES];
        loaded.errors.push_back(
            {to_string(policy.source, place) + ": policy: there are " + std::to_string(loaded.placed.size()) +
                 " policies with those of all files; at most " + std::to_string(PW_POLICIES) + " are possible",
             EINVAL});
    }
}

}  // namespace

std::vector<Policy> LoadedPolicies::policies() const
{
    std::vector<Policy> all;
    all.reserve(placed.size());
    for (const PlacedPolicy& one : placed) {
        all.push_back(one.policy);
    }
    return all;
}

LoadedPolicies load_policies(const std::vector<std::string>& paths)
{
    LoadedPolicies loaded;
    for (const std::string& path : paths) {
        read_path(path, loaded);
    }
    refuse_duplicates(loaded);
    refuse_too_many(loaded);
    return loaded;
}

Result<std::vector<Policy>> parse_policies(std::string_view text, const std::string& source)
{
    LoadedPolicies parsed;
    read_documents(text, source, parsed);
    refuse_duplicates(parsed);
    if (!parsed.errors.empty()) {
        return std::unexpected(parsed.errors.front());
    }
    return parsed.policies();
}

}  // namespace pinwarden
