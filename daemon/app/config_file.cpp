#include "app/config_file.h"

#include <cerrno>
#include <utility>

#include "policy/suggest.h"
#include "policy/text_file.h"
#include "policy/yaml_tree.h"

namespace pinwarden {
namespace {

constexpr YamlKind kConfigYaml{
    .name = "configuration", .most_documents = 1, .too_many = "a second document begins here; put all into one"};

// Reads one file, and goes on after a mistake.
class FileReader {
public:
    explicit FileReader(std::string source) : source_(std::move(source)) {}

    void read(const YamlNode& document)
    {
        if (document.kind == YamlNode::Kind::kNull) {
            return;
        }
        if (document.kind != YamlNode::Kind::kMap) {
            refuse(document.place, "configuration",
                   "must be a map of options, such as leak_after: 30s, not " + describe(document));
            return;
        }
        for (const YamlNode& child : document.children) {
            if (const YamlNode* first = document.find(child.key); first != &child) {
                refuse(child.key_place, shorten(child.key),
                       "given twice, first on line " + std::to_string(first->key_place.line) + "; remove one");
                continue;
            }
            read_option(child);
        }
    }

    void refuse(YamlPlace place, const std::string& key, const std::string& what)
    {
        read_.errors.push_back({to_string(source_, place) + ": " + key + ": " + what, EINVAL});
    }

    void refuse(Error error) { read_.errors.push_back(std::move(error)); }

    ReadSettings take() { return std::move(read_); }

private:
    void read_option(const YamlNode& node)
    {
        const OptionSpec* option = find_option_by_key(node.key);
        if (option == nullptr) {
            refuse_unknown(node);
            return;
        }
        std::vector<std::string> values;
        const bool good =
            option->kind == OptionKind::kList ? read_list(*option, node, values) : read_value(*option, node, values);
        if (good) {
            read_.settings.push_back({option,
                                      std::move(values),
                                      {.from = OptionOrigin::From::kFile,
                                       .file = source_,
                                       .line = node.key_place.line,
                                       .column = node.key_place.column}});
        }
    }

    void refuse_unknown(const YamlNode& node)
    {
        const std::vector<std::string> keys = option_keys();
        const std::string near = nearest(node.key, keys);
        refuse(node.key_place, shorten(node.key),
               "unknown option; " + (near.empty() ? "known are: " + join(keys) : "did you mean \"" + near + "\"?"));
    }

    bool read_list(const OptionSpec& option, const YamlNode& node, std::vector<std::string>& values)
    {
        if (node.kind != YamlNode::Kind::kList) {
            refuse(node.place, key_of(option),
                   "must be a list, not " + describe(node) +
                       (node.kind == YamlNode::Kind::kScalar ? "; write [" + shorten(node.text) + "]"
                                                             : "; write [] for an empty one"));
            return false;
        }
        bool good = true;
        for (const YamlNode& item : node.children) {
            good = read_value(option, item, values) && good;
        }
        return good;
    }

    bool read_value(const OptionSpec& option, const YamlNode& node, std::vector<std::string>& values)
    {
        if (node.kind != YamlNode::Kind::kScalar) {
            refuse(node.place, key_of(option),
                   "must be " + wanted(option) + ", not " + describe(node) +
                       (node.kind == YamlNode::Kind::kNull ? "; give it a value or leave it out" : ""));
            return false;
        }
        if (const std::string wrong = problem_of(option, node.text); !wrong.empty()) {
            refuse(node.place, key_of(option), wrong);
            return false;
        }
        values.push_back(node.text);
        return true;
    }

    static std::string wanted(const OptionSpec& option)
    {
        return option.kind == OptionKind::kSwitch ? "true or false" : "one " + std::string(option.type);
    }

    static std::string problem_of(const OptionSpec& option, const std::string& text)
    {
        if (option.kind == OptionKind::kSwitch) {
            return text == "true" || text == "false" ? "" : "must be true or false, not \"" + shorten(text) + "\"";
        }
        if (const std::string wrong = option.check == nullptr ? "" : option.check(text); !wrong.empty()) {
            return wrong;
        }
        return option.is_path && !text.starts_with('/')
                   ? "\"" + shorten(text) + "\" is not absolute; a path in a file begins with /"
                   : "";
    }

    std::string source_;
    ReadSettings read_;
};

}  // namespace

ReadSettings parse_settings(std::string_view text, const std::string& source)
{
    FileReader reader(source);
    const auto documents = parse_yaml(text, source, kConfigYaml);
    if (!documents) {
        reader.refuse(documents.error());
    } else if (!documents->empty()) {
        reader.read(documents->front());
    }
    return reader.take();
}

ReadSettings read_settings(const std::string& path)
{
    const auto text = read_text_file(path, "configuration");
    if (!text) {
        return {.errors = {text.error()}};
    }
    return parse_settings(*text, path);
}

}  // namespace pinwarden
