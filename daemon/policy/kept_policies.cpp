#include "policy/kept_policies.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "policy/policy_yaml.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

constexpr std::string_view kFirstLine =
    "# Policies that pinwardend keeps, form 1. To be changed with `pinctl policy`, not by hand.";
// What does not end with it was cut.
constexpr std::string_view kLastLine = "# End of the policies that are kept.";
constexpr std::string_view kBetween = "---";
constexpr std::string_view kName = "# policy: ";
constexpr std::string_view kSource = "# source: ";
constexpr std::string_view kDegraded = "# degraded: ";
constexpr std::string_view kModeOf = "# mode of: ";
constexpr std::string_view kMode = "# mode: ";
constexpr std::string_view kFileText = "# | ";

std::string on_one_line(std::string_view text)
{
    std::string line(text);
    std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return line;
}

std::string entry(std::string_view key, std::string_view value)
{
    return value.empty() ? "" : std::string(key) + on_one_line(value) + "\n";
}

std::string ended(const std::string& text)
{
    return text.empty() || text.ends_with('\n') ? text : text + "\n";
}

struct Line {
    std::size_t number = 0;  // from 1 on
    std::string_view text;
};

std::vector<Line> lines_of(std::string_view text)
{
    std::vector<Line> lines;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        lines.push_back({lines.size() + 1, text.substr(start, end - start)});
        start = end + 1;
    }
    return lines;
}

std::unexpected<Error> at(std::size_t line, const std::string& what)
{
    return fail("line " + std::to_string(line) + ": " + what, EINVAL);
}

std::optional<std::string> value_of(const Line& line, std::string_view key)
{
    if (!line.text.starts_with(key)) {
        return std::nullopt;
    }
    return std::string(line.text.substr(key.size()));
}

std::optional<Mode> mode_from_text(std::string_view text)
{
    constexpr std::array kModes{Mode::kMonitor, Mode::kEnforce, Mode::kOff};
    const auto* const found = std::ranges::find(kModes, text, [](Mode mode) { return to_string(mode); });
    return found == kModes.end() ? std::nullopt : std::optional(*found);
}

// One line of the part in front of all policies.
Result<void> read_mode_line(const Line& line, std::vector<KeptMode>& modes)
{
    if (auto name = value_of(line, kModeOf)) {
        modes.push_back({.name = std::move(*name), .mode = Mode::kMonitor, .text = "", .degraded = ""});
        return {};
    }
    if (modes.empty()) {
        return at(line.number, "\"" + shorten(line.text) + "\" belongs to no policy");
    }
    if (const auto mode = value_of(line, kMode)) {
        const auto known = mode_from_text(*mode);
        if (!known) {
            return at(line.number, "\"" + shorten(*mode) + "\" is no mode");
        }
        modes.back().mode = *known;
    } else if (auto degraded = value_of(line, kDegraded)) {
        modes.back().degraded = std::move(*degraded);
    } else if (const auto text = value_of(line, kFileText)) {
        modes.back().text += *text + "\n";
    } else {
        return at(line.number, "\"" + shorten(line.text) + "\" is not understood");
    }
    return {};
}

void read_policy_line(const Line& line, KeptPolicy& policy)
{
    if (policy.text.empty()) {
        for (const auto& [key, field] : {std::pair(kName, &policy.name), std::pair(kSource, &policy.source),
                                         std::pair(kDegraded, &policy.degraded)}) {
            if (auto value = value_of(line, key)) {
                *field = std::move(*value);
                return;
            }
        }
    }
    policy.text += std::string(line.text) + "\n";
}

Result<void> check(const KeptPolicies& kept)
{
    std::vector<std::string> names;
    for (const KeptPolicy& policy : kept.policies) {
        if (policy.name.empty() || policy.text.empty()) {
            return fail("policy number " + std::to_string(names.size() + 1) + " has no " +
                            (policy.name.empty() ? "name" : "text"),
                        EINVAL);
        }
        if (std::ranges::find(names, policy.name) != names.end()) {
            return fail("policy \"" + shorten(policy.name) + "\" is there twice", EINVAL);
        }
        names.push_back(policy.name);
    }
    return {};
}

}  // namespace

std::string to_text(const KeptPolicies& kept)
{
    std::string text = std::string(kFirstLine) + "\n";
    for (const KeptMode& mode : kept.modes) {
        text += entry(kModeOf, mode.name) + entry(kMode, to_string(mode.mode)) + entry(kDegraded, mode.degraded);
        for (const Line& line : lines_of(mode.text)) {
            text += std::string(kFileText) + std::string(line.text) + "\n";
        }
    }
    for (const KeptPolicy& policy : kept.policies) {
        text += std::string(kBetween) + "\n" + entry(kName, policy.name) + entry(kSource, policy.source) +
                entry(kDegraded, policy.degraded) + ended(policy.text);
    }
    return text + std::string(kLastLine) + "\n";
}

Result<KeptPolicies> parse_kept(std::string_view text)
{
    const std::vector<Line> lines = lines_of(text);
    if (lines.empty() || lines.front().text != kFirstLine) {
        return at(1, "is not how such a file begins");
    }
    if (lines.size() < 2 || lines.back().text != kLastLine || !text.ends_with('\n')) {
        return at(lines.size(), "the file ends here, before its end");
    }
    KeptPolicies kept;
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
        if (lines[i].text == kBetween) {
            kept.policies.emplace_back();
        } else if (kept.policies.empty()) {
            if (auto read = read_mode_line(lines[i], kept.modes); !read) {
                return std::unexpected(read.error());
            }
        } else {
            read_policy_line(lines[i], kept.policies.back());
        }
    }
    if (auto good = check(kept); !good) {
        return std::unexpected(good.error());
    }
    return kept;
}

KeptPolicy kept_policy(const Policy& policy, const std::string& degraded)
{
    return {.name = policy.name, .source = policy.source, .text = to_yaml(policy), .degraded = degraded};
}

Result<Policy> policy_of(const KeptPolicy& kept)
{
    auto parsed = parse_policies(kept.text, "kept policy " + kept.name);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    if (parsed->size() != 1 || parsed->front().name != kept.name) {
        return fail("the text that was kept is that of another policy", EINVAL);
    }
    parsed->front().source = kept.source;
    return std::move(parsed->front());
}

bool is_for(const KeptMode& mode, const Policy& policy)
{
    auto parsed = parse_policies(mode.text, "kept");
    if (!parsed || parsed->size() != 1) {
        return false;
    }
    parsed->front().source = policy.source;
    return parsed->front() == policy;
}

}  // namespace pinwarden
