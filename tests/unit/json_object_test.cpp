#include "act/json_object.h"

#include <catch2/catch.hpp>
#include <limits>
#include <utility>
#include <vector>

namespace pinwarden {

TEST_CASE("an object has its fields in order, on one line", "[json]")
{
    CHECK(JsonObject().str() == "{}");
    const std::vector<std::uint64_t> pins = {1, 2};
    const std::vector<std::string> drivers = {"vfio", "a\"b"};
    JsonObject json;
    json.text("name", "a\nb").number("n", std::numeric_limits<std::uint64_t>::max()).numbers("pins", pins);
    json.numbers("none", {}).texts("drivers", drivers).object("inner", JsonObject().number("x", 1U));
    json.object("nobody", std::nullopt).number("nothing", std::nullopt);
    CHECK(json.str() == R"({"name":"a\nb","n":18446744073709551615,"pins":[1,2],"none":[],"drivers":["vfio","a\"b"],)"
                        R"("inner":{"x":1},"nobody":null,"nothing":null})");
}

TEST_CASE("whatever a name holds, its JSON is valid", "[json]")
{
    const std::pair<std::string, std::string> table[] = {
        {"", R"("")"},
        {"plain / text", R"("plain / text")"},
        {"\"\\", R"("\"\\")"},
        {"\n\r\t", R"("\n\r\t")"},
        {std::string("\0\x01\x1f\x7f", 4), R"("\u0000\u0001\u001f\u007f")"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xef\xbf\xbd\xed\x9f\xbf\xf4\x8f\xbf\xbf", "\"\xef\xbf\xbd\xed\x9f\xbf\xf4\x8f\xbf\xbf\""},
        {"a\xff"
         "b",
         R"("a\ufffdb")"},
        {"\xc3", R"("\ufffd")"},                                // cut short
        {"\xe2\x82", R"("\ufffd\ufffd")"},                      // cut short
        {"\xc0\x80", R"("\ufffd\ufffd")"},                      // overlong
        {"\xe0\x80\x80", R"("\ufffd\ufffd\ufffd")"},            // overlong
        {"\xed\xa0\x80", R"("\ufffd\ufffd\ufffd")"},            // a surrogate
        {"\xf4\x90\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd")"},  // beyond U+10FFFF
        {"\xf8\x88\x80\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd\ufffd")"},
        {"\xc3\"", R"("\ufffd\"")"},
        {"\x80", R"("\ufffd")"},
    };
    for (const auto& [text, json] : table) {
        INFO(json);
        CHECK(json_string(text) == json);
    }
}

}  // namespace pinwarden
