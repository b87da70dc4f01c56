#include "policy/kept_policies.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "policy/policy_store.h"
#include "policy/policy_yaml.h"
#include "support/policies.h"
#include "support/publish_fixtures.h"

namespace pinwarden {
namespace {

using test::policy_named;
using test::TemporaryFolder;

Policy parsed(const std::string& text, const std::string& source = "grpc")
{
    auto policies = parse_policies(text, source);
    REQUIRE(policies);
    return policies->front();
}

// One of everything.
KeptPolicies some()
{
    KeptPolicies kept;
    kept.policies.push_back(kept_policy(parsed(policy_named("first"))));
    kept.policies.push_back(kept_policy(parsed(policy_named("second"), "a file.yaml"), "too many signals were sent"));
    kept.policies.push_back({.name = "later", .source = "grpc", .text = "name: later\nnew_field: 1\n", .degraded = ""});
    kept.modes.push_back(
        {.name = "of-a-file", .mode = Mode::kOff, .text = to_yaml(parsed(policy_named("of-a-file"))), .degraded = ""});
    return kept;
}

std::string content(const std::string& path)
{
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("what is kept is read back as it was", "[kept_policies]")
{
    for (const KeptPolicies& kept : {KeptPolicies{}, some()}) {
        const auto read = parse_kept(to_text(kept));
        REQUIRE(read);
        CHECK(*read == kept);
    }
    const auto policy = policy_of(some().policies[1]);
    REQUIRE(policy);
    CHECK(policy->source == "a file.yaml");
    CHECK_FALSE(policy_of(some().policies[2]));
}

TEST_CASE("what is kept can be applied as it is", "[kept_policies]")
{
    KeptPolicies kept = some();
    kept.policies.pop_back();
    const auto policies = parse_policies(to_text(kept), "policies.yaml");
    REQUIRE(policies);
    CHECK(policies->size() == 2);
}

TEST_CASE("sources and reasons cannot add lines of their own", "[kept_policies]")
{
    KeptPolicies kept;
    kept.policies.push_back(kept_policy(parsed(policy_named("a"), "x\n---\n# policy: b\n")));
    const auto read = parse_kept(to_text(kept));
    REQUIRE(read);
    REQUIRE(read->policies.size() == 1);
    CHECK(read->policies[0].source == "x --- # policy: b ");
}

TEST_CASE("a text that is damaged is refused, wherever it was cut", "[kept_policies]")
{
    const std::string text = to_text(some());
    for (std::size_t size = 0; size < text.size(); ++size) {
        INFO(size);
        const auto read = parse_kept(text.substr(0, size));
        REQUIRE_FALSE(read);
        CHECK(read.error().code == EINVAL);
    }
    const auto [from, to] = GENERATE(table<std::string, std::string>({{"form 1", "form 2"},
                                                                      {"# policy: first\n", ""},
                                                                      {"# policy: second", "# policy: first"},
                                                                      {"# mode: off", "# mode: on"},
                                                                      {"# mode of: of-a-file\n", ""},
                                                                      {"# mode: off", "mode: off"}}));
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    CHECK_FALSE(parse_kept(changed));
}

TEST_CASE("a mode is for the text it was set for", "[kept_policies]")
{
    const KeptMode mode = some().modes[0];
    CHECK(is_for(mode, parsed(policy_named("of-a-file"), "/etc/somewhere.yaml")));
    Policy changed = parsed(policy_named("of-a-file"));
    changed.deny_errno = 1;
    changed.pin.min_bytes = 4096;
    CHECK_FALSE(is_for(mode, changed));
}

TEST_CASE("policies are kept in a file, which is made with its folder", "[policy_store]")
{
    const TemporaryFolder folder;
    const std::string state = folder.file("not/there/yet");
    FilePolicyStore store(state);
    const auto empty = store.load();
    CHECK(empty.kept == KeptPolicies{});
    CHECK(empty.problem.empty());
    CHECK_FALSE(std::filesystem::exists(state));
    REQUIRE(store.save(some()));
    REQUIRE(store.save({}));
    REQUIRE(store.save(some()));

    FilePolicyStore next(state);
    const auto loaded = next.load();
    CHECK(loaded.problem.empty());
    CHECK(loaded.kept == some());
    // No half-written file is left beside it.
    CHECK(std::distance(std::filesystem::directory_iterator(state), {}) == 1);
}

TEST_CASE("a damaged file is put aside, and never over another one", "[policy_store]")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("policies.yaml");
    for (const std::string suffix : {".damaged", ".damaged.2", ".damaged.3"}) {
        std::ofstream(path) << "rubbish for " << suffix;
        FilePolicyStore store(folder.file(""));
        const auto loaded = store.load();
        CHECK(loaded.kept == KeptPolicies{});
        CHECK_THAT(loaded.problem, Catch::Contains("is damaged: line 1") && Catch::Contains(suffix));
        CHECK_FALSE(std::filesystem::exists(path));
        CHECK(content(path + suffix) == "rubbish for " + suffix);
        REQUIRE(store.save({}));
        std::filesystem::remove(path);
    }
}

TEST_CASE("what cannot be read is not written over", "[policy_store]")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("policies.yaml");
    std::filesystem::create_directory(path);
    FilePolicyStore store(folder.file(""));
    const auto loaded = store.load();
    CHECK_THAT(loaded.problem, Catch::Contains("not in force") && Catch::Contains("restart"));
    const auto saved = store.save(some());
    REQUIRE_FALSE(saved);
    CHECK_THAT(saved.error().message, Catch::Contains("could not be read"));
}

TEST_CASE("where nothing can be written, what is there stays", "[policy_store]")
{
    const TemporaryFolder folder;
    std::ofstream(folder.file("blocked")) << "a file, no folder";
    FilePolicyStore store(folder.file("blocked/state"));
    CHECK(store.load().problem.empty());
    const auto saved = store.save(some());
    REQUIRE_FALSE(saved);
    CHECK_THAT(saved.error().message, Catch::Contains("blocked"));
}

}  // namespace pinwarden
