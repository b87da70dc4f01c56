// YAML text as a plain tree, with the place of everything in it. The only file that meets yaml-cpp.
//
// Built from the parser's events rather than from YAML::Node: that keeps the place of every key, keys that are given
// twice, and the difference between an alias and a copy, and it can stop early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pinwarden {

// Counted from 1.
struct YamlPlace {
    int line = 1;
    int column = 1;
};

// "SOURCE:LINE:COLUMN".
std::string to_string(const std::string& source, YamlPlace place);

struct YamlNode {
    enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };

    Kind kind = Kind::kNull;
    YamlPlace place;
    std::string text;  // of a scalar
    std::vector<YamlNode> children;
    // Of a child of a map.
    std::string key;
    YamlPlace key_place;

    // The child of that key; the first if there are several.
    [[nodiscard]] const YamlNode* find(std::string_view wanted) const;
};

// "a list", "a map", "nothing", "the text \"x\"".
std::string describe(const YamlNode& node);

// What a text is to be, for limits and messages.
struct YamlKind {
    std::string_view name;  // "policy"
    std::size_t most_documents = 1;
    std::string_view too_many;         // what is said of more
    std::string_view when_empty = {};  // what is said of a text without any document; empty: that is no mistake
};

// The documents in the text. Error: "SOURCE:LINE:COLUMN: what", code EINVAL. Refused, besides what is no YAML: text
// that is longer than kMaxTextBytes or not UTF-8, control characters (the parser takes one of them for the end of the
// text), deep nesting, anchors, aliases, tags, keys that are not plain text.
Result<std::vector<YamlNode>> parse_yaml(std::string_view text, const std::string& source, const YamlKind& kind);

}  // namespace pinwarden
