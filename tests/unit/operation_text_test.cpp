#include "policy/operation_text.h"

#include <catch2/catch.hpp>
#include <cerrno>

namespace pinwarden {

TEST_CASE("operations are read", "[operation_text]")
{
    const auto [text, operation] = GENERATE(table<std::string, RequestedOperation>({
        {"truncate:0", {PW_OPERATION_TRUNCATE, 0, 0}},
        {"truncate:1MiB", {PW_OPERATION_TRUNCATE, 1U << 20U, 0}},
        {"punch_hole:4096+8KiB", {PW_OPERATION_PUNCH_HOLE, 4096, 8192}},
        {"zero_range:0+1", {PW_OPERATION_ZERO_RANGE, 0, 1}},
        {"collapse_range:4096+4096", {PW_OPERATION_COLLAPSE_RANGE, 4096, 4096}},
        {"insert_range:4096+4096", {PW_OPERATION_INSERT_RANGE, 4096, 4096}},
        {"madv_remove:0+4096", {PW_OPERATION_MADV_REMOVE, 0, 4096}},
        {"umount", {PW_OPERATION_UMOUNT, 0, 0}},
    }));
    INFO(text);
    const auto parsed = parse_operation(text);
    REQUIRE(parsed);
    CHECK(*parsed == operation);
}

TEST_CASE("what is no operation is refused with a hint", "[operation_text]")
{
    const auto [text, message] = GENERATE(table<std::string, std::string>({
        {"",
         "operation: \"\" is none; there are: truncate, punch_hole, zero_range, collapse_range, insert_range, "
         "madv_remove, umount"},
        {"trunkate:0", "operation: \"trunkate\" is none; did you mean \"truncate\"?"},
        {"truncate",
         "operation: \"truncate\" does not say what is taken away; write truncate:SIZE, such as truncate:0"},
        {"punch_hole:4096",
         "operation: \"4096\" has no length; write punch_hole:OFFSET+LENGTH, such as "
         "punch_hole:64KiB+4096"},
        {"punch_hole:4096+0",
         "operation: \"4096+0\" is no range of a file; write punch_hole:OFFSET+LENGTH, such as "
         "punch_hole:64KiB+4096"},
        {"umount:0", "operation: umount is about all of a file system; write it without a range"},
        {"munmap",
         "operation: nothing can stop munmap; this tells only of operations that the kernel can be asked about"},
        {"truncate:18446744073709551615", "operation: \"18446744073709551615\" is more than a file can have"},
    }));
    INFO(text);
    const auto parsed = parse_operation(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == EINVAL);
    CHECK(parsed.error().message == message);
}

TEST_CASE("a size that is none says so, and how it is written", "[operation_text]")
{
    for (const std::string text : {"truncate:", "truncate:-1", "truncate:1 MB", "punch_hole:x+1", "zero_range:1+y"}) {
        INFO(text);
        const auto parsed = parse_operation(text);
        REQUIRE_FALSE(parsed);
        CHECK_THAT(parsed.error().message, Catch::Contains("; write "));
    }
}

}  // namespace pinwarden
