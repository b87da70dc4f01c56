#include "act/json_object.h"

#include <array>
#include <cstddef>

namespace pinwarden {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";

unsigned char byte_at(std::string_view text, std::size_t index)
{
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0;
}

// A first byte beyond ASCII: how many bytes follow it, and the range the first of these must be in. Overlong forms,
// surrogates and what lies beyond U+10FFFF are left out by that range (table 3-7 of the Unicode standard).
struct Lead {
    unsigned char first;
    unsigned char last;
    std::size_t following;
    unsigned char low;
    unsigned char high;
};
constexpr std::array<Lead, 8> kLeads = {{
    {0xc2, 0xdf, 1, 0x80, 0xbf},
    {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf},
    {0xed, 0xed, 2, 0x80, 0x9f},
    {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf},
    {0xf4, 0xf4, 3, 0x80, 0x8f},
}};

// Bytes of the character at the start of `text`; 0 when there is none.
std::size_t character_length(std::string_view text)
{
    const unsigned char first = byte_at(text, 0);
    for (const Lead& lead : kLeads) {
        if (first < lead.first || first > lead.last) {
            continue;
        }
        if (byte_at(text, 1) < lead.low || byte_at(text, 1) > lead.high) {
            return 0;
        }
        for (std::size_t i = 2; i <= lead.following; ++i) {
            if ((byte_at(text, i) & 0xc0U) != 0x80U) {
                return 0;
            }
        }
        return lead.following + 1;
    }
    return 0;
}

std::string escaped(unsigned char letter)
{
    constexpr std::string_view kDigits = "0123456789abcdef";
    switch (letter) {
        case '"': return "\\\"";
        case '\\': return "\\\\";
        case '\n': return "\\n";
        case '\r': return "\\r";
        case '\t': return "\\t";
        default: return std::string("\\u00") + kDigits[letter >> 4U] + kDigits[letter & 0xfU];
    }
}

}  // namespace

std::string json_string(std::string_view text)
{
    std::string json = "\"";
    while (!text.empty()) {
        const unsigned char letter = byte_at(text, 0);
        std::size_t length = 1;
        if (letter < 0x20 || letter == '"' || letter == '\\' || letter == 0x7f) {
            json += escaped(letter);
        } else if (letter < 0x80) {
            json += text.front();
        } else if (const std::size_t character = character_length(text); character > 0) {
            length = character;
            json += text.substr(0, length);
        } else {
            json += kReplacement;
        }
        text.remove_prefix(length);
    }
    return json + "\"";
}

JsonObject& JsonObject::add(std::string_view field, std::string_view json)
{
    fields_ += (fields_.empty() ? "" : ",") + json_string(field) + ":";
    fields_ += json;
    return *this;
}

JsonObject& JsonObject::text(std::string_view field, std::string_view value)
{
    return add(field, json_string(value));
}

JsonObject& JsonObject::number(std::string_view field, std::uint64_t value)
{
    return add(field, std::to_string(value));
}

JsonObject& JsonObject::number(std::string_view field, std::optional<std::uint64_t> value)
{
    return add(field, value ? std::to_string(*value) : "null");
}

JsonObject& JsonObject::object(std::string_view field, const std::optional<JsonObject>& value)
{
    return add(field, value ? value->str() : "null");
}

JsonObject& JsonObject::objects(std::string_view field, std::span<const JsonObject> values)
{
    std::string json;
    for (const JsonObject& value : values) {
        json += (json.empty() ? "" : ",") + value.str();
    }
    return add(field, "[" + json + "]");
}

JsonObject& JsonObject::numbers(std::string_view field, std::span<const std::uint64_t> values)
{
    std::string json;
    for (const std::uint64_t value : values) {
        json += (json.empty() ? "" : ",") + std::to_string(value);
    }
    return add(field, "[" + json + "]");
}

JsonObject& JsonObject::texts(std::string_view field, std::span<const std::string> values)
{
    std::string json;
    for (const std::string& value : values) {
        json += (json.empty() ? "" : ",") + json_string(value);
    }
    return add(field, "[" + json + "]");
}

}  // namespace pinwarden
