// Reading a YAML tree by tables of fields. Every refusal says where, what, and what to do.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"
#include "policy/suggest.h"
#include "policy/yaml_tree.h"

namespace pinwarden::yaml {

struct Reader {
    std::string source;
    Policy policy;
    Hold hold;            // as far as read: the policy's own once it is whole
    Revoke revoke;        // the same
    SignalAction signal;  // the same
    bool unresolved_given = false;
    std::map<std::string, YamlPlace> places;  // of every field read: for what only find_problem() can tell
};

using ReadField = Result<void> (*)(Reader& reader, const std::string& path, const YamlNode& node);

struct Field {
    std::string_view name;
    ReadField read;
    std::string_view required = {};  // if the field must be there: what to do when it is not
};

// The fields of one map. `later` are those of the design that this version does not do: refused by name, so that nobody
// believes they are in force.
struct Schema {
    std::string_view message;  // in policy.proto
    std::span<const Field> fields;
    std::span<const std::string_view> later = {};
    bool may_be_empty = false;
};

// The values of a field that has a few.
struct Choices {
    std::span<const std::string_view> values = {};
    std::span<const std::string_view> never = {};  // there is such a thing, but no policy can be about it
    std::string_view why_never = {};
};

std::vector<std::string> field_names(const Schema& schema);

// "SOURCE:LINE:COLUMN: FIELD: what", code EINVAL.
std::unexpected<Error> refuse(const Reader& reader, YamlPlace place, const std::string& path, const std::string& what);
// Where the field was written, or else what holds it.
YamlPlace nearest_place(const Reader& reader, std::string field, YamlPlace document);

Result<void> read_map(Reader& reader, const std::string& path, const YamlNode& node, const Schema& schema);
using ReadItem = std::function<Result<void>(const std::string& path, const YamlNode& item)>;
Result<void> read_list(Reader& reader, const std::string& path, const YamlNode& node, const ReadItem& read_item);
Result<std::string> read_text(const Reader& reader, const std::string& path, const YamlNode& node);
Result<void> read_texts(Reader& reader, const std::string& path, const YamlNode& node, std::vector<std::string>& into);
// Position of the value among the choices.
Result<std::size_t> read_choice(const Reader& reader, const std::string& path, const YamlNode& node,
                                const Choices& choices);

template <typename Value>
struct Named {
    std::string_view name;
    Value value;
};

// A value out of a few; `choices` with everything but these.
template <typename Value, std::size_t Count>
Result<void> read_named(const Reader& reader, const std::string& path, const YamlNode& node,
                        const std::array<Named<Value>, Count>& all, Value& into, Choices choices = {})
{
    std::array<std::string_view, Count> names;
    std::ranges::transform(all, names.begin(), &Named<Value>::name);
    choices.values = names;
    const auto choice = read_choice(reader, path, node, choices);
    if (!choice) {
        return std::unexpected(choice.error());
    }
    into = all[*choice].value;
    return {};
}

// A value that has a form of its own, such as a size or a signal's name; `parse` says what is wrong with it.
template <typename Value, typename Into>
Result<void> read_value(const Reader& reader, const std::string& path, const YamlNode& node,
                        Result<Value> (*parse)(std::string_view), Into& into)
{
    const auto text = read_text(reader, path, node);
    if (!text) {
        return std::unexpected(text.error());
    }
    const auto value = parse(shorten(*text));
    if (!value) {
        return refuse(reader, node.place, path, value.error().message);
    }
    into = *value;
    return {};
}

}  // namespace pinwarden::yaml
