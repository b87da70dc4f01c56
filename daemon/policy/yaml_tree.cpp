#include "policy/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <sstream>
#include <utility>

#include "policy/suggest.h"
#include "policy/text_file.h"

namespace pinwarden {
namespace {

constexpr std::size_t kMaxDepth = 16;

YamlPlace place_of(const YAML::Mark& mark)
{
    return mark.is_null() ? YamlPlace{} : YamlPlace{mark.line + 1, mark.column + 1};
}

YamlNode node_at(const YAML::Mark& mark, YamlNode::Kind kind)
{
    YamlNode node;
    node.kind = kind;
    node.place = place_of(mark);
    return node;
}

// Makes a tree of the events of one document. Throws YAML::ParserException, as the parser itself does, for what it
// refuses; parse_yaml catches both.
class TreeBuilder final : public YAML::EventHandler {
public:
    explicit TreeBuilder(std::string_view name) : name_(name) {}

    YamlNode take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark& mark) override { root_.place = place_of(mark); }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        refuse_extras(mark, "", anchor);
        add(node_at(mark, YamlNode::Kind::kNull));
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override
    {
        throw YAML::ParserException(mark, "aliases (*name) are not accepted; write the value out");
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override
    {
        refuse_extras(mark, tag, anchor);
        if (wants_key()) {
            pending_key_ = value;
            pending_key_place_ = place_of(mark);
            return;
        }
        add(node_at(mark, YamlNode::Kind::kScalar)).text = value;
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override
    {
        open(mark, tag, anchor, YamlNode::Kind::kList);
    }
    void OnSequenceEnd() override { open_.pop_back(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override
    {
        open(mark, tag, anchor, YamlNode::Kind::kMap);
    }
    void OnMapEnd() override { open_.pop_back(); }

private:
    [[nodiscard]] bool wants_key() const
    {
        return !open_.empty() && open_.back()->kind == YamlNode::Kind::kMap && !pending_key_;
    }

    static void refuse_extras(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor)
    {
        if (anchor != YAML::NullAnchor) {
            throw YAML::ParserException(mark, "anchors (&name) are not accepted; write the value out");
        }
        // The parser says "?" for plain and "!" for quoted text.
        if (!tag.empty() && tag != "?" && tag != "!") {
            throw YAML::ParserException(mark, "tags (!name) are not accepted; remove it");
        }
    }

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind)
    {
        refuse_extras(mark, tag, anchor);
        if (open_.size() >= kMaxDepth) {
            throw YAML::ParserException(mark, "nested too deeply; a " + name_ + " never is");
        }
        if (wants_key()) {
            throw YAML::ParserException(mark, "a field's name must be plain text");
        }
        open_.push_back(&add(node_at(mark, kind)));
    }

    // Pointers in open_ stay good: a list or map only grows while it is the innermost open one.
    YamlNode& add(YamlNode node)
    {
        if (open_.empty()) {
            root_ = std::move(node);
            return root_;
        }
        YamlNode& parent = *open_.back();
        if (parent.kind == YamlNode::Kind::kMap) {
            if (!pending_key_) {
                throw YAML::ParserException(YAML::Mark::null_mark(), "a field lacks its name");
            }
            node.key = *std::exchange(pending_key_, std::nullopt);
            node.key_place = pending_key_place_;
            if (node.kind == YamlNode::Kind::kNull) {
                node.place = node.key_place;  // the parser's mark is that of whatever comes after
            }
        }
        return parent.children.emplace_back(std::move(node));
    }

    std::string name_;
    YamlNode root_;
    std::vector<YamlNode*> open_;
    std::optional<std::string> pending_key_;
    YamlPlace pending_key_place_;
};

std::unexpected<Error> refuse(const std::string& source, YamlPlace place, const std::string& what)
{
    return fail(to_string(source, place) + ": " + what, EINVAL);
}

// Bytes of the UTF-8 character at the start of `text`; 0 when there is none.
std::size_t character_bytes(std::string_view text)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    const std::size_t bytes = 2 + (lead >= 0xe0 ? 1U : 0U) + (lead >= 0xf0 ? 1U : 0U);
    if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) {
        return 0;
    }
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    // Overlong forms, surrogates, and what lies beyond the last code point.
    const bool wrong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
                       (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f);
    return wrong ? 0 : bytes;
}

Result<void> check_text(std::string_view text, const std::string& source, const YamlKind& kind)
{
    if (text.size() > kMaxTextBytes) {
        return fail(source + ": is longer than " + std::to_string(kMaxTextBytes) + " bytes; that is no " +
                        std::string(kind.name),
                    EINVAL);
    }
    YamlPlace place;
    for (std::size_t at = 0; at < text.size();) {
        const char letter = text[at];
        const bool control =
            (static_cast<unsigned char>(letter) < 0x20 && letter != '\n' && letter != '\r' && letter != '\t') ||
            letter == 0x7f;
        if (control) {
            return refuse(source, place, "control character in the text; remove it");
        }
        const std::size_t bytes = character_bytes(text.substr(at));
        if (bytes == 0) {
            return refuse(source, place, "the text is not UTF-8; save it as such");
        }
        at += bytes;
        place = letter == '\n' ? YamlPlace{place.line + 1, 1} : YamlPlace{place.line, place.column + 1};
    }
    return {};
}

Result<std::vector<YamlNode>> build(std::string_view text, const std::string& source, const YamlKind& kind)
{
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    std::vector<YamlNode> documents;
    for (;;) {
        TreeBuilder builder(kind.name);
        if (!parser.HandleNextDocument(builder)) {
            break;
        }
        documents.push_back(builder.take());
        if (documents.size() > kind.most_documents) {
            return refuse(source, documents.back().place, std::string(kind.name) + ": " + std::string(kind.too_many));
        }
    }
    if (documents.empty() && !kind.when_empty.empty()) {
        return refuse(source, {}, std::string(kind.name) + ": " + std::string(kind.when_empty));
    }
    return documents;
}

}  // namespace

std::string to_string(const std::string& source, YamlPlace place)
{
    return source + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

const YamlNode* YamlNode::find(std::string_view wanted) const
{
    const auto found = std::ranges::find(children, wanted, &YamlNode::key);
    return found == children.end() ? nullptr : &*found;
}

std::string describe(const YamlNode& node)
{
    switch (node.kind) {
        case YamlNode::Kind::kNull: return "nothing";
        case YamlNode::Kind::kScalar: return "the text \"" + shorten(node.text) + "\"";
        case YamlNode::Kind::kList: return "a list";
        case YamlNode::Kind::kMap: return "a map";
    }
    return "something else";
}

Result<std::vector<YamlNode>> parse_yaml(std::string_view text, const std::string& source, const YamlKind& kind)
{
    if (auto checked = check_text(text, source, kind); !checked) {
        return std::unexpected(checked.error());
    }
    try {
        return build(text, source, kind);
    } catch (const YAML::Exception& error) {
        return refuse(source, place_of(error.mark), "YAML: " + error.msg);
    } catch (const std::exception& error) {
        return refuse(source, {}, std::string("YAML: cannot be read: ") + error.what());
    }
}

}  // namespace pinwarden
