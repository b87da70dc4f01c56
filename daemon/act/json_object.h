// One JSON object on one line (RFC 8259), written field by field.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pinwarden {

// As a JSON string, with its quotes. Control characters are escaped, and bytes that are no UTF-8 become U+FFFD: what
// names of processes and files hold is not ours to choose.
std::string json_string(std::string_view text);

// The caller sees to it that no field is given twice. Numbers are exact: readers that turn them into floating point
// lose digits beyond 2^53.
class JsonObject {
public:
    JsonObject& text(std::string_view field, std::string_view value);
    JsonObject& number(std::string_view field, std::uint64_t value);
    // null for what is not there.
    JsonObject& number(std::string_view field, std::optional<std::uint64_t> value);
    JsonObject& object(std::string_view field, const std::optional<JsonObject>& value);
    JsonObject& objects(std::string_view field, std::span<const JsonObject> values);
    JsonObject& numbers(std::string_view field, std::span<const std::uint64_t> values);
    JsonObject& texts(std::string_view field, std::span<const std::string> values);

    [[nodiscard]] std::string str() const { return "{" + fields_ + "}"; }

private:
    JsonObject& add(std::string_view field, std::string_view json);

    std::string fields_;
};

}  // namespace pinwarden
