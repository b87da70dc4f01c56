#include "cli/redact.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace pinwarden::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Of the fields that hold names of others, by the name of the field: what they name.
std::optional<std::string> kind_of(const FieldDescriptor& field)
{
    static const std::map<std::string, std::string> kinds{
        {"path", "path"},           {"executable", "path"}, {"path_prefixes", "path"},     {"mounts", "path"},
        {"binaries", "path"},       {"source", "path"},     {"comm", "process"},           {"comms", "process"},
        {"cgroup_path", "cgroup"},  {"cgroups", "cgroup"},  {"container_id", "container"}, {"pod_uid", "container"},
        {"containers", "container"}};
    const auto kind = kinds.find(field.name());
    if (kind != kinds.end()) {
        return kind->second;
    }
    // That of Holder: what /proc/PID/fd calls it.
    return field.name() == "file" && field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? std::optional("path")
                                                                                         : std::nullopt;
}

bool is_sentence(const FieldDescriptor& field)
{
    constexpr std::array kSentences{"reason", "notices", "note", "state", "consequence", "advice"};
    return std::ranges::find(kSentences, field.name()) != kSentences.end();
}

// Each text of the message and of all in it, with its field. `change` answers with what it is to be.
void visit_texts(const Message& message,
                 const std::function<std::string(const FieldDescriptor&, const std::string&)>& change, Message* out)
{
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* const field : fields) {
        const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
        for (int i = 0; i < count; ++i) {
            if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
                const Message& inner = field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                                            : reflection.GetMessage(message, field);
                Message* inner_out = nullptr;
                if (out != nullptr) {
                    inner_out = field->is_repeated() ? reflection.MutableRepeatedMessage(out, field, i)
                                                     : reflection.MutableMessage(out, field);
                }
                visit_texts(inner, change, inner_out);
            } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
                const std::string changed =
                    change(*field, field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                        : reflection.GetString(message, field));
                if (out != nullptr && field->is_repeated()) {
                    reflection.SetRepeatedString(out, field, i, changed);
                } else if (out != nullptr) {
                    reflection.SetString(out, field, changed);
                }
            } else if (out != nullptr && field->name() == "address") {
                reflection.ClearField(out, field);
            }
        }
    }
}

bool belongs_to_word(char letter)
{
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '-' || letter == '.' ||
           letter == '/';
}

// As whole words.
void replace_all(std::string& text, const std::string& name, const std::string& with)
{
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
        const std::size_t end = at + name.size();
        // A full stop ends a sentence, too.
        const bool ends = end == text.size() || !belongs_to_word(text[end]) ||
                          (text[end] == '.' && (end + 1 == text.size() || text[end + 1] == ' '));
        if ((at == 0 || !belongs_to_word(text[at - 1])) && ends) {
            text.replace(at, name.size(), with);
            at += with.size();
        } else {
            at = end;
        }
    }
}

// The kernel's own, which say nothing of anybody.
bool is_of_the_kernel(std::string_view path)
{
    return path.starts_with("/proc/sys") || path.starts_with("/proc/vmstat") || path.starts_with("/sys/");
}

std::string without_paths(std::string_view text)
{
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        // Not the two of "http://127.0.0.1:9877".
        const bool in_address = at > 0 && text.substr(at - 1, 3) == "://";
        const bool begins = text[at] == '/' && !in_address && (at == 0 || !belongs_to_word(text[at - 1]));
        std::size_t end = at;
        while (begins && end < text.size() && std::isspace(static_cast<unsigned char>(text[end])) == 0 &&
               std::string_view("\"';:,)`").find(text[end]) == std::string_view::npos) {
            ++end;
        }
        if (end < at + 2 || is_of_the_kernel(text.substr(at, end - at))) {
            end = std::max(end, at + 1);
            out += text.substr(at, end - at);
        } else {
            out += "[path]";
        }
        at = end;
    }
    return out;
}

}  // namespace

void Redactor::learn(const Message& message)
{
    visit_texts(
        message,
        [this](const FieldDescriptor& field, const std::string& text) {
            const auto kind = kind_of(field);
            // A policy may also come from "grpc".
            const bool names = !text.empty() && (field.name() != "source" || text.starts_with('/'));
            if (kind && names && !pseudonyms_.contains(text)) {
                pseudonyms_[text] = *kind + "-" + std::to_string(++counts_[*kind]);
            }
            return text;
        },
        nullptr);
}

std::string Redactor::pseudonym(const std::string& name) const
{
    const auto found = pseudonyms_.find(name);
    return found == pseudonyms_.end() ? "[name]" : found->second;
}

void Redactor::redact(Message& message) const
{
    const std::unique_ptr<Message> before(message.New());
    before->CopyFrom(message);
    visit_texts(
        *before,
        [this](const FieldDescriptor& field, const std::string& text) {
            if (text.empty()) {
                return text;
            }
            if (kind_of(field)) {
                return field.name() == "source" && !text.starts_with('/') ? text : pseudonym(text);
            }
            return is_sentence(field) ? redact_text(text) : text;
        },
        &message);
}

std::string Redactor::redact_text(std::string_view text) const
{
    // The longest first: one may be a part of another.
    std::vector<std::pair<std::string, std::string>> names(pseudonyms_.begin(), pseudonyms_.end());
    std::ranges::stable_sort(names, std::ranges::greater(), [](const auto& entry) { return entry.first.size(); });
    std::string out(text);
    for (const auto& [name, with] : names) {
        replace_all(out, name, with);
    }
    return without_paths(out);
}

}  // namespace pinwarden::cli
