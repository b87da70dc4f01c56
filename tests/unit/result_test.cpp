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

TEST_CASE("an error knows the field it is about, also as a part of a larger whole", "[base]")
{
    const Result<int> result = fail_at("mode", "must be given", EINVAL);
    CHECK(result.error().message == "mode: must be given");
    CHECK(result.error().field == "mode");
    const Error error = result.error().within("policy keep").below("policies[1]");
    CHECK(error.message == "policy keep: mode: must be given");
    CHECK(error.code == EINVAL);
    CHECK(error.field == "policies[1].mode");
    CHECK(Error{"bad"}.below("texts[0]").field == "texts[0]");
}

TEST_CASE("a failed result carries its error", "[base]")
{
    const Result<int> result = fail("bad", EINVAL);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().message == "bad");
    CHECK(result.error().code == EINVAL);
}
