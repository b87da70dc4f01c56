#include "policy/yaml_reader.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "policy/suggest.h"

namespace pinwarden::yaml {
namespace {

std::vector<std::string> strings(std::span<const std::string_view> views)
{
    return {views.begin(), views.end()};
}

std::string below(const std::string& path, std::string_view field)
{
    return path.empty() ? std::string(field) : path + "." + std::string(field);
}

std::unexpected<Error> refuse_unknown(const Reader& reader, const std::string& path, const YamlNode& node,
                                      const Schema& schema)
{
    const std::string field = below(path, shorten(node.key));
    const std::string known = join(field_names(schema));
    if (std::ranges::find(schema.later, node.key) != schema.later.end()) {
        return refuse(reader, node.key_place, field, "not available in this version; available here: " + known);
    }
    const std::string near = nearest(node.key, field_names(schema));
    return refuse(reader, node.key_place, field,
                  "unknown field; " + (near.empty() ? "known here: " + known : "did you mean \"" + near + "\"?"));
}

Result<void> check_map(const Reader& reader, const std::string& path, const YamlNode& node, const Schema& schema)
{
    if (node.kind != YamlNode::Kind::kMap) {
        return refuse(reader, node.place, path,
                      "must be a map with " + join(field_names(schema)) + ", not " + describe(node));
    }
    if (node.children.empty() && !schema.may_be_empty) {
        return refuse(reader, node.place, path, "is empty; give it " + join(field_names(schema)) + ", or leave it out");
    }
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        const YamlNode& child = node.children[i];
        if (const YamlNode* first = node.find(child.key); first != &child) {
            return refuse(reader, child.key_place, below(path, shorten(child.key)),
                          "given twice, first on line " + std::to_string(first->key_place.line) + "; remove one");
        }
    }
    return {};
}

}  // namespace

std::vector<std::string> field_names(const Schema& schema)
{
    std::vector<std::string> names;
    for (const Field& field : schema.fields) {
        names.emplace_back(field.name);
    }
    return names;
}

std::unexpected<Error> refuse(const Reader& reader, YamlPlace place, const std::string& path, const std::string& what)
{
    return fail(to_string(reader.source, place) + ": " + (path.empty() ? "policy" : path) + ": " + what, EINVAL);
}

Result<void> read_map(Reader& reader, const std::string& path, const YamlNode& node, const Schema& schema)
{
    if (auto checked = check_map(reader, path, node, schema); !checked) {
        return checked;
    }
    for (const YamlNode& child : node.children) {
        const auto field = std::ranges::find(schema.fields, child.key, &Field::name);
        if (field == schema.fields.end()) {
            return refuse_unknown(reader, path, child, schema);
        }
        const std::string field_path = below(path, field->name);
        reader.places[field_path] = child.place;
        if (auto read = field->read(reader, field_path, child); !read) {
            return read;
        }
    }
    for (const Field& field : schema.fields) {
        if (!field.required.empty() && node.find(field.name) == nullptr) {
            return refuse(reader, node.place, below(path, field.name), "is missing; " + std::string(field.required));
        }
    }
    return {};
}

YamlPlace nearest_place(const Reader& reader, std::string field, YamlPlace document)
{
    while (!field.empty()) {
        if (const auto found = reader.places.find(field); found != reader.places.end()) {
            return found->second;
        }
        const auto cut = field.find_last_of(".[");
        field.resize(cut == std::string::npos ? 0 : cut);
    }
    return document;
}

Result<void> read_list(Reader& reader, const std::string& path, const YamlNode& node, const ReadItem& read_item)
{
    if (node.kind != YamlNode::Kind::kList) {
        const std::string hint = node.kind == YamlNode::Kind::kScalar ? "; write [" + shorten(node.text) + "]" : "";
        return refuse(reader, node.place, path, "must be a list, not " + describe(node) + hint);
    }
    if (node.children.empty()) {
        return refuse(reader, node.place, path, "is an empty list, which would match nothing; fill it or leave it out");
    }
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        const std::string item_path = path + "[" + std::to_string(i) + "]";
        reader.places[item_path] = node.children[i].place;
        if (auto read = read_item(item_path, node.children[i]); !read) {
            return read;
        }
    }
    return {};
}

Result<std::string> read_text(const Reader& reader, const std::string& path, const YamlNode& node)
{
    if (node.kind != YamlNode::Kind::kScalar) {
        return refuse(reader, node.place, path, "must be text, not " + describe(node));
    }
    if (node.text.empty()) {
        return refuse(reader, node.place, path, "is empty; give it a value or leave it out");
    }
    return node.text;
}

Result<void> read_texts(Reader& reader, const std::string& path, const YamlNode& node, std::vector<std::string>& into)
{
    return read_list(reader, path, node, [&](const std::string& item_path, const YamlNode& item) -> Result<void> {
        auto text = read_text(reader, item_path, item);
        if (!text) {
            return std::unexpected(text.error());
        }
        into.push_back(std::move(*text));
        return {};
    });
}

Result<std::size_t> read_choice(const Reader& reader, const std::string& path, const YamlNode& node,
                                const Choices& choices)
{
    const auto text = read_text(reader, path, node);
    if (!text) {
        return std::unexpected(text.error());
    }
    const auto found = std::ranges::find(choices.values, *text);
    if (found != choices.values.end()) {
        return static_cast<std::size_t>(found - choices.values.begin());
    }
    const std::string shown = "\"" + shorten(*text) + "\" ";
    const std::string available = join(strings(choices.values));
    if (std::ranges::find(choices.never, *text) != choices.never.end()) {
        return refuse(reader, node.place, path, shown + std::string(choices.why_never) + "; available: " + available);
    }
    const std::string near = nearest(*text, strings(choices.values));
    return refuse(
        reader, node.place, path,
        shown + (near.empty() ? "is not one of: " + available : "is unknown; did you mean \"" + near + "\"?"));
}

}  // namespace pinwarden::yaml
