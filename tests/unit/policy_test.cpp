#include "policy/policy.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <functional>

namespace pinwarden {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

Policy good()
{
    Policy policy;
    policy.name = "p";
    policy.operations = {Operation::kTruncate};
    policy.deny_errno = EBUSY;
    return policy;
}

Revoke revoke_of(Nanoseconds grace, Nanoseconds wait)
{
    return {.notify = SIGUSR1, .grace = grace, .then = {{.signal = SIGTERM, .wait = wait}, {.signal = SIGKILL}}};
}

}  // namespace

TEST_CASE("errors go by their names", "[policy]")
{
    CHECK(errno_name(EBUSY) == "EBUSY");
    CHECK(errno_name(999) == "errno 999");
    CHECK(errno_name(0) == "errno 0");
    CHECK(errno_name(-16) == "errno -16");
    for (int error = 1; error <= 133; ++error) {
        const std::string name = errno_name(error);
        const auto back = errno_from_name(name);
        INFO(name);
        const bool usable = error != 41 && error != 58 && error != ERESTART;
        CHECK(back.has_value() == usable);
        CHECK((!usable || *back == error));
    }
    CHECK(errno_from_name("EWOULDBLOCK").value() == EAGAIN);
    CHECK(errno_from_name("ENOTSUP").value() == EOPNOTSUPP);
    CHECK(errno_from_name("EDEADLOCK").value() == EDEADLK);
    CHECK_FALSE(errno_from_name("ERESTARTSYS"));
    CHECK_FALSE(errno_from_name("EHWPOISON2000"));
    CHECK(errno_from_name("EBUSSY").error().message ==
          "\"EBUSSY\" is no error an operation can fail with; did you mean \"EBUSY\"?");
    CHECK(errno_from_name("16").error().message ==
          "\"16\" is no error an operation can fail with; write the name of an error, such as EBUSY, EPERM or ETXTBSY");
}

TEST_CASE("path prefixes are normalised", "[policy]")
{
    const std::vector<std::pair<std::string, std::string>> table = {
        {"/", "/"},           {"//", "/"},          {"/a", "/a"},
        {"/a/", "/a"},        {"/a//b/", "/a/b"},   {"/./a/.", "/a"},
        {"/a/..b", "/a/..b"}, {"/a b/c", "/a b/c"}, {"/\xc3\xa4", "/\xc3\xa4"},
    };
    for (const auto& [given, normal] : table) {
        INFO(given);
        CHECK(normalise_path_prefix(given).value() == normal);
    }
    for (const char* bad : {"", "a", "./a", "/a/..", "/../a", "/a\nb"}) {
        INFO(bad);
        CHECK_FALSE(normalise_path_prefix(bad));
    }
    CHECK(normalise_path_prefix("/" + std::string(4094, 'x')));
    CHECK_FALSE(normalise_path_prefix("/" + std::string(4095, 'x')));
}

TEST_CASE("a path is at or below a prefix by whole names", "[policy]")
{
    CHECK(at_or_below("/a", "/a"));
    CHECK(at_or_below("/a/b", "/a"));
    CHECK(at_or_below("/a", "/"));
    CHECK(at_or_below("/", "/"));
    CHECK_FALSE(at_or_below("/ab", "/a"));
    CHECK_FALSE(at_or_below("/a", "/a/b"));
    CHECK_FALSE(at_or_below("/", "/a"));
}

TEST_CASE("a policy that holds together is valid", "[policy]")
{
    CHECK(validate(good()));
    Policy full = good();
    full.file = {.path_prefixes = {"/", "/mnt/pmem"}, .filesystems = {"ext4", "xfs", "tmpfs", "btrfs"}};
    full.pin = {{"rdma_rxe", "vfio"}, 1, 1};
    full.owner = {{0, 1000}, {"qemu-system-x86"}};
    CHECK(validate(full));
    for (const Nanoseconds timeout : {kMinHoldTimeout, Hold{}.timeout, kMaxHoldTimeout}) {
        full.hold = Hold{.timeout = timeout};
        CHECK(validate(full));
    }
    // Over when the hold is, to the nanosecond.
    full.hold = Hold{.timeout = 10 * kSecond, .revoke = revoke_of(5 * kSecond, 5 * kSecond)};
    CHECK(validate(full));
    full.hold->revoke = Revoke{.notify = SIGUSR1, .grace = 10 * kSecond, .then = {}};
    CHECK(validate(full));
}

TEST_CASE("what is wrong with a policy is named", "[policy]")
{
    struct Case {
        std::string field;
        std::string what;  // part of the message
        std::function<void(Policy&)> spoil;
    };
    const std::vector<Case> table = {
        {"name", "is missing", [](Policy& p) { p.name = ""; }},
        {"name", "at most 63", [](Policy& p) { p.name = std::string(64, 'x'); }},
        {"name", "has characters", [](Policy& p) { p.name = "a b"; }},
        {"match.operations", "match nothing", [](Policy& p) { p.operations.clear(); }},
        {"match.operations[1]", "given twice",
         [](Policy& p) { p.operations = {Operation::kTruncate, Operation::kTruncate}; }},
        {"match.file.path_prefixes[0]", "not absolute", [](Policy& p) { p.file.path_prefixes = {"a"}; }},
        {"match.file.path_prefixes[1]", "\"..\"", [](Policy& p) { p.file.path_prefixes = {"/a", "/a/../b"}; }},
        {"match.file.path_prefixes[0]", "write \"/a\"", [](Policy& p) { p.file.path_prefixes = {"/a/"}; }},
        {"match.file.path_prefixes[1]", "given twice", [](Policy& p) { p.file.path_prefixes = {"/a", "/a"}; }},
        {"match.file.path_prefixes", "at most 64",
         [](Policy& p) { p.file.path_prefixes = std::vector<std::string>(65, "/a"); }},
        {"match.file.filesystems", "at most 4", [](Policy& p) { p.file.filesystems = {"a", "b", "c", "d", "e"}; }},
        {"match.file.filesystems[0]", "write \"fuse\"", [](Policy& p) { p.file.filesystems = {"fuse.sshfs"}; }},
        {"match.file.filesystems[0]", "too long", [](Policy& p) { p.file.filesystems = {std::string(16, 'x')}; }},
        {"match.pin.drivers[0]", "is empty", [](Policy& p) { p.pin.drivers = {""}; }},
        {"match.pin.drivers[1]", "given twice", [](Policy& p) { p.pin.drivers = {"vfio", "vfio"}; }},
        {"match.owner.uids[0]", "no user's id", [](Policy& p) { p.owner.uids = {0xffffffff}; }},
        {"match.owner.uids[2]", "given twice", [](Policy& p) { p.owner.uids = {1, 2, 1}; }},
        {"match.owner.comms[0]", "too long", [](Policy& p) { p.owner.comms = {"qemu-system-x86_64"}; }},
        {"match.owner.comms[0]", "control character", [](Policy& p) { p.owner.comms = {"a\tb"}; }},
        {"action", "is missing", [](Policy& p) { p.deny_errno = 0; }},
        {"action.deny.errno", "nothing an operation can fail with", [](Policy& p) { p.deny_errno = ERESTART; }},
        {"action.deny.errno", "errno 134", [](Policy& p) { p.deny_errno = 134; }},
        {"action.deny.errno", "errno -16", [](Policy& p) { p.deny_errno = -16; }},
        {"action", "is missing", [](Policy& p) { p.deny_errno = 0, p.hold = Hold{}; }},
        {"action.hold.errno", "errno 134", [](Policy& p) { p.deny_errno = 134, p.hold = Hold{}; }},
        {"action.hold.timeout",
         "0ns is too short; at least 100ms, a shorter hold cannot be told from the machine being",
         [](Policy& p) { p.hold = Hold{.timeout = 0}; }},
        {"action.hold.timeout", "99999999ns is too short",
         [](Policy& p) { p.hold = Hold{.timeout = kMinHoldTimeout - 1}; }},
        {"action.hold.timeout", "2h is too long; at most 1h, nobody waits for longer than that",
         [](Policy& p) { p.hold = Hold{.timeout = 2 * kMaxHoldTimeout}; }},
        {"action.hold.timeout", "3600000000001ns is too long",
         [](Policy& p) { p.hold = Hold{.timeout = kMaxHoldTimeout + 1}; }},
        {"action.hold.revoke", "sends nothing", [](Policy& p) { p.hold = Hold{.revoke = Revoke{}}; }},
        {"action.hold.revoke.notify", "SIGKILL asks for nothing",
         [](Policy& p) { p.hold = Hold{.revoke = Revoke{.notify = SIGKILL, .then = {}}}; }},
        {"action.hold.revoke.grace", "\"0ns\" is too short",
         [](Policy& p) { p.hold = Hold{.revoke = Revoke{.notify = SIGUSR1, .grace = 0, .then = {}}}; }},
        {"action.hold.revoke.then[1]", "\"2h\" is too long",
         [](Policy& p) { p.hold = Hold{.revoke = revoke_of(5 * kSecond, 7200 * kSecond)}; }},
        {"action.hold.revoke",
         "takes 11s until its end, which a hold of 10s never reaches; raise action.hold.timeout to 11s or more, or "
         "shorten grace and the durations of then",
         [](Policy& p) { p.hold = Hold{.timeout = 10 * kSecond, .revoke = revoke_of(5 * kSecond, 6 * kSecond)}; }},
        {"action.hold.revoke", "takes 5s until its end, which a hold of 1s never reaches",
         [](Policy& p) { p.hold = Hold{.timeout = kSecond, .revoke = Revoke{.notify = SIGUSR1, .then = {}}}; }},
    };
    for (const Case& one : table) {
        Policy policy = good();
        one.spoil(policy);
        const auto problem = find_problem(policy);
        INFO(one.field + ": " + one.what);
        REQUIRE(problem);
        CHECK(problem->field == one.field);
        CHECK_THAT(problem->what, Catch::Contains(one.what));
        const auto checked = validate(policy);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().code == EINVAL);
        CHECK(checked.error().message == problem->field + ": " + problem->what);
    }
}

TEST_CASE("only selectors of pins and owners need the ledger", "[policy]")
{
    Policy policy = good();
    policy.file = {{"/a"}, {"ext4"}};
    CHECK_FALSE(policy.selects_pins());
    const std::vector<std::function<void(Policy&)>> selectors = {
        [](Policy& p) { p.pin.drivers = {"vfio"}; }, [](Policy& p) { p.pin.min_bytes = 1; },
        [](Policy& p) { p.pin.min_age = 1; },        [](Policy& p) { p.owner.uids = {0}; },
        [](Policy& p) { p.owner.comms = {"x"}; },
    };
    for (const auto& select : selectors) {
        Policy selective = policy;
        select(selective);
        CHECK(selective.selects_pins());
    }
}

}  // namespace pinwarden
