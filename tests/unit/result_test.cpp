#include "base/result.h"

#include <catch2/catch.hpp>
#include <cerrno>

using namespace pinwarden;

TEST_CASE("an error tells what was being done, outermost first", "[base]")
{
    const Error error = Error{"no such file", ENOENT}.within("/etc/x").within("open policy");
    CHECK(error.message == "open policy: /etc/x: no such file");
    CHECK(error.code == ENOENT);
}

TEST_CASE("an errno of either sign becomes positive", "[base]")
{
    for (const int code : {EPERM, -EPERM}) {
        const Error error = system_error("load programs", code);
        CHECK(error.code == EPERM);
        CHECK(error.message == "load programs: Operation not permitted");
    }
}

TEST_CASE("a failed result carries its error", "[base]")
{
    const Result<int> result = fail("bad", EINVAL);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().message == "bad");
    CHECK(result.error().code == EINVAL);
}
