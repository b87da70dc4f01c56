#include "policy/policy_yaml.h"

#include <pinwarden/v1/policy.pb.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <random>
#include <set>

#include "policy/text_file.h"
#include "support/policies.h"

namespace pinwarden {
namespace {

using test::policy_named;

constexpr const char* kComplete = R"(# Nobody truncates data sets under RDMA.
name: datasets-under-rdma
mode: enforce
match:
  operations: [truncate]
  file:
    path_prefixes: [/mnt//pmem/, "/data sets"]
    mounts: [/mnt/nvme/]
    inodes: ["8:17/4711"]
    filesystems: [ext4, xfs]
  pin: {drivers: [rdma_rxe, vfio], min_bytes: 1MiB, min_age: 5s, long_term: true}
  owner:
    uids: [0, 1000]
    comms:
      - trainer
      - "null"
    cgroups: [/jobs//a/]
    binaries: [/usr/bin/trainer]
    containers: [web]
  caller: {uids: [5], comms: [rm], cgroups: [/], binaries: [/bin/rm], containers: [db]}
action:
  deny: {errno: ETXTBSY}
unresolved: allow
when_unattended: keep
)";

constexpr const char* kSmallest = "name: p\nmode: monitor\nmatch: {operations: [truncate]}\naction: {deny: {}}\n";

std::string error_of(const std::string& text)
{
    const auto parsed = parse_policies(text, "x.yaml");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == EINVAL);
    return parsed.error().message;
}

}  // namespace

TEST_CASE("a policy with every field", "[policy_yaml]")
{
    const auto parsed = parse_policies(kComplete, "x.yaml");
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 1);
    Policy expected;
    expected.name = "datasets-under-rdma";
    expected.mode = Mode::kEnforce;
    expected.operations = {Operation::kTruncate};
    expected.file = {.path_prefixes = {"/mnt/pmem", "/data sets"},
                     .mounts = {"/mnt/nvme"},
                     .inodes = {{.major = 8, .minor = 17, .inode = 4711}},
                     .filesystems = {"ext4", "xfs"}};
    expected.pin = {
        .drivers = {"rdma_rxe", "vfio"}, .min_bytes = 1U << 20U, .min_age = 5'000'000'000, .long_term = true};
    expected.owner = {.uids = {0, 1000},
                      .comms = {"trainer", "null"},
                      .cgroups = {"/jobs/a"},
                      .binaries = {"/usr/bin/trainer"},
                      .containers = {"web"}};
    expected.caller = {.uids = {5}, .comms = {"rm"}, .cgroups = {"/"}, .binaries = {"/bin/rm"}, .containers = {"db"}};
    expected.deny_errno = ETXTBSY;
    expected.unresolved = Unresolved::kAllow;
    expected.when_unattended = Unattended::kKeep;
    expected.source = "x.yaml";
    CHECK(parsed->front() == expected);
}

TEST_CASE("what a policy leaves out has its default", "[policy_yaml]")
{
    const auto parsed = parse_policies(kSmallest, "x.yaml");
    REQUIRE(parsed);
    CHECK(parsed->front().mode == Mode::kMonitor);
    CHECK(parsed->front().deny_errno == EBUSY);
    CHECK_FALSE(parsed->front().hold);
    CHECK(parsed->front().unresolved == Unresolved::kDeny);
    CHECK(parsed->front().when_unattended == Unattended::kRelease);
    CHECK_FALSE(parsed->front().selects_pins());
}

TEST_CASE("a policy that holds", "[policy_yaml]")
{
    const auto parse = [](const std::string& action) {
        const auto parsed = parse_policies(
            "name: p\nmode: enforce\nmatch: {operations: [truncate]}\naction: " + action + "\n", "x.yaml");
        REQUIRE(parsed);
        return parsed->front();
    };
    const Policy whole = parse("{hold: {timeout: 2m, on_timeout: allow, fallback: allow, errno: EAGAIN}}");
    CHECK(whole.hold == Hold{.timeout = 120'000'000'000, .on_timeout = Outcome::kAllow, .fallback = Outcome::kAllow});
    CHECK(whole.deny_errno == EAGAIN);

    const Policy defaults = parse("{hold: {}}");
    CHECK(defaults.hold == Hold{.timeout = 10'000'000'000, .on_timeout = Outcome::kDeny, .fallback = Outcome::kDeny});
    CHECK(defaults.deny_errno == EBUSY);
    CHECK(defaults.unresolved == Unresolved::kDeny);

    CHECK(parse("{hold: {}}\nunresolved: hold").unresolved == Unresolved::kHold);
    const Policy denies = parse("{deny: {}}\nunresolved: hold");
    CHECK(denies.unresolved == Unresolved::kHold);
    CHECK_FALSE(denies.hold);
}

TEST_CASE("a policy that revokes", "[policy_yaml]")
{
    constexpr Nanoseconds kSecond = 1'000'000'000;
    const auto parse = [](const std::string& revoke) {
        const auto parsed = parse_policies(
            "name: p\nmode: enforce\nmatch: {operations: [truncate]}\naction: {hold: {timeout: 30s, revoke: " + revoke +
                "}}\n",
            "x.yaml");
        INFO((parsed ? "" : parsed.error().message));
        REQUIRE(parsed);
        REQUIRE(parsed->front().hold);
        return parsed->front().hold->revoke;
    };
    CHECK(parse("{notify: SIGUSR1, grace: 3s, then: [SIGTERM, 500ms, SIGKILL]}") ==
          Revoke{.notify = SIGUSR1,
                 .grace = 3 * kSecond,
                 .then = {{.signal = SIGTERM, .wait = kSecond / 2}, {.signal = SIGKILL}}});
    CHECK(parse("{notify: SIGRTMIN+3}") == Revoke{.notify = SIGRTMIN + 3, .grace = 5 * kSecond, .then = {}});
    CHECK(parse("{then: [SIGTERM]}") ==
          Revoke{.notify = std::nullopt, .grace = 5 * kSecond, .then = {{.signal = SIGTERM}}});
    CHECK(parse("{grace: 0s, then: [SIGKILL]}") ==
          Revoke{.notify = std::nullopt, .grace = 0, .then = {{.signal = SIGKILL}}});
}

TEST_CASE("a policy that signals or notifies", "[policy_yaml]")
{
    constexpr Nanoseconds kSecond = 1'000'000'000;
    const auto parse = [](const std::string& rest) {
        const auto parsed =
            parse_policies("name: p\nmode: enforce\nmatch: {operations: [truncate, munmap]}\n" + rest, "x.yaml");
        INFO((parsed ? "" : parsed.error().message));
        REQUIRE(parsed);
        return parsed->front();
    };
    const Policy owners = parse("action: {signal: {signals: [SIGTERM, 5s, SIGKILL]}}\n");
    CHECK(owners.signal == SignalAction{.target = SignalTarget::kOwners,
                                        .signals = {{.signal = SIGTERM, .wait = 5 * kSecond}, {.signal = SIGKILL}}});
    CHECK(owners.unresolved == Unresolved::kHold);
    CHECK(owners.goes_ahead());
    CHECK(parse("action: {signal: {target: caller, signals: [SIGKILL]}}\n").signal->target == SignalTarget::kCaller);
    CHECK(parse("unresolved: allow\naction: {signal: {signals: [SIGKILL]}}\n").unresolved == Unresolved::kAllow);
    const Policy tells = parse("action: {notify: {}}\n");
    CHECK(tells.notify);
    CHECK(tells.unresolved == Unresolved::kAllow);
    CHECK(tells.deny_errno == 0);
}

TEST_CASE("several documents are several policies, in order", "[policy_yaml]")
{
    const auto parsed = parse_policies("---\n" + policy_named("b") + "---\n" + policy_named("a") + "...\n", "x.yaml");
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 2);
    CHECK(parsed->at(0).name == "b");
    CHECK(parsed->at(1).name == "a");
}

TEST_CASE("bad policies are refused with place, field, reason and hint", "[policy_yaml]")
{
    // Replaces one line of a good policy; the message is expected to begin so.
    const std::string head = "name: p\nmode: enforce\n";
    const std::string action = "action:\n  deny:\n    errno: EBUSY\n";
    const std::string match = "match:\n  operations: [truncate]\n";
    const std::vector<std::pair<std::string, std::string>> table = {
        // Unknown fields.
        {head + match + "  file:\n    path_prefix: [/a]\n" + action,
         "x.yaml:6:5: match.file.path_prefix: unknown field; did you mean \"path_prefixes\"?"},
        {head + match + action + "colour: red\n",
         "x.yaml:8:1: colour: unknown field; known here: name, mode, match, action, unresolved, when_unattended"},
        {"nmae: p\n", "x.yaml:1:1: nmae: unknown field; did you mean \"name\"?"},
        {head + match + "  \"\": 1\n" + action, "x.yaml:5:3: match.: unknown field; known here"},
        {head + match + "  <<: {a: b}\n" + action, "x.yaml:5:3: match.<<: unknown field"},
        // Fields of a later version.
        {head + match + "action: {revoke: {}}\n", "x.yaml:5:10: action.revoke: not available in this version"},
        // What nothing can do.
        {head + "match: {operations: [truncate, munmap]}\n" + action,
         "x.yaml:3:32: match.operations[1]: munmap cannot be stopped: the kernel has no hook that could fail it; take "
         "it out, or make the action signal or notify"},
        {head + "match: {operations: [mremap]}\naction: {hold: {}}\n",
         "x.yaml:3:22: match.operations[0]: mremap cannot be stopped"},
        {head + match + "action: {notify: {}}\nunresolved: deny\n",
         "x.yaml:6:13: unresolved: deny is not for a policy that lets every operation go ahead; write hold"},
        {head + match + "action: {notify: {}}\nwhen_unattended: keep\n",
         "x.yaml:6:18: when_unattended: keep is not for a policy that signals or notifies"},
        {head + match + "action: {notify: {errno: EBUSY}}\n", "x.yaml:5:19: action.notify.errno: unknown field"},
        {head + match + "action: {signal: {}}\n",
         "x.yaml:5:18: action.signal: is empty; give it target, signals, or leave it out"},
        {head + match + "action: {signal: {target: owners}}\n",
         "x.yaml:5:18: action.signal.signals: is missing; say which signals are sent, such as signals: [SIGTERM, 5s, "
         "SIGKILL]"},
        {head + match + "action: {signal: {target: owner, signals: [SIGTERM]}}\n",
         R"(x.yaml:5:27: action.signal.target: "owner" is unknown; did you mean "owners"?)"},
        {head + match + "action: {signal: {signals: [SIGTERM, SIGKILL]}}\n",
         "x.yaml:5:38: action.signal.signals[1]: \"SIGKILL\" follows SIGTERM at once"},
        // Selectors.
        {head + match + "  file: {inodes: [12]}\n" + action,
         "x.yaml:5:19: match.file.inodes[0]: \"12\" is no inode; write MAJOR:MINOR/INODE"},
        {head + match + "  file: {inodes: [\"8:1/0\"]}\n" + action,
         "x.yaml:5:19: match.file.inodes[0]: \"8:1/0\" is no"},
        {head + match + "  file: {inodes: [\"8:1/3\", \"8:1/3\"]}\n" + action,
         "x.yaml:5:28: match.file.inodes[1]: given twice; remove one"},
        {head + match + "  file: {mounts: [mnt]}\n" + action,
         "x.yaml:5:19: match.file.mounts[0]: \"mnt\" is not absolute; start it with '/'"},
        {head + match + "  pin: {long_term: yes}\n" + action,
         "x.yaml:5:20: match.pin.long_term: \"yes\" is not one of: true, false"},
        {head + match + "  owner: {cgroups: [a]}\n" + action,
         "x.yaml:5:21: match.owner.cgroups[0]: \"a\" is not absolute"},
        {head + match + "  caller: {binaries: [/]}\n" + action,
         "x.yaml:5:23: match.caller.binaries[0]: \"/\" is no program's path"},
        {head + match + "  caller: {uids: [root]}\n" + action,
         "x.yaml:5:19: match.caller.uids[0]: \"root\" is no user id"},
        {head + match + "  caller: {comms: [a-name-of-sixteen]}\n" + action,
         "x.yaml:5:20: match.caller.comms[0]: \"a-name-of-sixteen\" is too long"},
        {head + "match: {operations: [truncate, unmount]}\n" + action,
         R"(x.yaml:3:32: match.operations[1]: "unmount" is unknown; did you mean "umount"?)"},
        // Wrong types.
        {"- name: p\n",
         "x.yaml:1:1: policy: must be a map with name, mode, match, action, unresolved, when_unattended, not a list"},
        {"just text\n",
         "x.yaml:1:1: policy: must be a map with name, mode, match, action, unresolved, when_unattended, not the "},
        {"name: [p]\nmode: off\n", "x.yaml:1:7: name: must be text, not a list"},
        {"name:\nmode: off\n", "x.yaml:1:1: name: must be text, not nothing"},
        {"name: ~\nmode: off\n", "x.yaml:1:1: name: must be text, not nothing"},
        {head + "match: [truncate]\n" + action,
         "x.yaml:3:8: match: must be a map with operations, file, pin, owner, caller, not a list"},
        {head + "match: {operations: truncate}\n" + action,
         "x.yaml:3:21: match.operations: must be a list, not the text \"truncate\"; write [truncate]"},
        {head + "match: {operations: {truncate: yes}}\n" + action,
         "x.yaml:3:21: match.operations: must be a list, not a map"},
        {head + match + "  file: /a\n" + action,
         "x.yaml:5:9: match.file: must be a map with path_prefixes, mounts, inodes, filesystems"},
        {head + match + "  file: {path_prefixes: [[/a]]}\n" + action,
         "x.yaml:5:26: match.file.path_prefixes[0]: must be text, not a list"},
        {head + match + "  pin: {min_bytes: {a: b}}\n" + action,
         "x.yaml:5:20: match.pin.min_bytes: must be text, not a map"},
        {head + match + "action: deny\n",
         "x.yaml:5:9: action: must be a map with deny, hold, signal, notify, not the text \"deny\""},
        {head + match + "action: {deny: EBUSY}\n", "x.yaml:5:16: action.deny: must be a map with errno"},
        {head + match + "action: {deny: {errno: 16}}\n", R"(x.yaml:5:24: action.deny.errno: "16" is no error)"},
        {head + match + "action: hold\n",
         "x.yaml:5:9: action: must be a map with deny, hold, signal, notify, not the text \"hold\""},
        {head + match + "action: {hold: 10s}\n",
         "x.yaml:5:16: action.hold: must be a map with timeout, revoke, on_timeout, fallback, errno, not the text "
         "\"10s\""},
        {head + match + "action: {hold: {on_timeout: [deny]}}\n",
         "x.yaml:5:29: action.hold.on_timeout: must be text, not a list"},
        // Values.
        {"name: p\nmode: enforced\n", R"(x.yaml:2:7: mode: "enforced" is unknown; did you mean "enforce"?)"},
        {"name: p\nmode: true\n", "x.yaml:2:7: mode: \"true\" is not one of: monitor, enforce, off"},
        {"name: a b\nmode: off\n" + match + action, "x.yaml:1:7: name: \"a b\" has characters"},
        {head + match + "  pin: {min_bytes: 12 MB}\n" + action,
         "x.yaml:5:20: match.pin.min_bytes: \"12 MB\" is not a size (write bytes as a plain number, or with KiB, MiB"},
        {head + match + "  pin: {min_bytes: -1}\n" + action, "x.yaml:5:20: match.pin.min_bytes: \"-1\" is negative"},
        {head + match + "  pin: {min_bytes: 99999999TiB}\n" + action,
         "x.yaml:5:20: match.pin.min_bytes: \"99999999TiB\" is too"},
        {head + match + "  pin: {min_age: 5}\n" + action,
         "x.yaml:5:18: match.pin.min_age: \"5\" lacks a unit (write a whole"},
        {head + match + "  owner: {uids: [root]}\n" + action,
         "x.yaml:5:18: match.owner.uids[0]: \"root\" is no user id"},
        {head + match + "  owner: {uids: [-1]}\n" + action, "x.yaml:5:18: match.owner.uids[0]: \"-1\" is no user id"},
        {head + match + "  owner: {uids: [4294967296]}\n" + action,
         "x.yaml:5:18: match.owner.uids[0]: \"4294967296\" is no"},
        {head + match + "  owner: {comms: [a, qemu-system-x86_64]}\n" + action,
         "x.yaml:5:22: match.owner.comms[1]: \"qemu"},
        {head + match + "  file: {path_prefixes: [a/b]}\n" + action,
         "x.yaml:5:26: match.file.path_prefixes[0]: \"a/b\" is not absolute; start it with '/'"},
        {head + match + "  file: {path_prefixes: [/a/../b]}\n" + action,
         "x.yaml:5:26: match.file.path_prefixes[0]: \"/a/../b\" has"},
        {head + match + "  file: {path_prefixes: [/a, /a/]}\n" + action,
         "x.yaml:5:30: match.file.path_prefixes[1]: given twice; remove one"},
        {head + match + "  file: {filesystems: [a, b, c, d, e]}\n" + action,
         "x.yaml:5:23: match.file.filesystems: has 5 entries"},
        {head + match + "action: {hold: {timeout: 10}}\n",
         "x.yaml:5:26: action.hold.timeout: \"10\" lacks a unit (write a whole"},
        {head + match + "action: {hold: {timeout: 99ms}}\n",
         "x.yaml:5:26: action.hold.timeout: 99ms is too short; at least 100ms, a shorter hold cannot be told from the "
         "machine being busy"},
        {head + match + "action: {hold: {timeout: 61m}}\n",
         "x.yaml:5:26: action.hold.timeout: 61m is too long; at most 1h, nobody waits for longer than that"},
        {head + match + "action: {hold: {timout: 1s}}\n",
         "x.yaml:5:17: action.hold.timout: unknown field; did you mean \"timeout\"?"},
        {head + match + "action: {hold: {on_timeout: hold}}\n",
         "x.yaml:5:29: action.hold.on_timeout: \"hold\" is not one of: deny, allow"},
        {head + match + "action: {hold: {fallback: alow}}\n",
         R"(x.yaml:5:27: action.hold.fallback: "alow" is unknown; did you mean "allow"?)"},
        {head + match + "action: {hold: {errno: EBUSSY}}\n",
         "x.yaml:5:24: action.hold.errno: \"EBUSSY\" is no error an operation can fail with; did you mean"},
        // Revocations. The whole text of what is wrong with signals is in signals_test.cpp.
        {head + match + "action: {hold: {revoke: SIGTERM}}\n",
         "x.yaml:5:25: action.hold.revoke: must be a map with notify, grace, then, not the text \"SIGTERM\""},
        {head + match + "action: {hold: {revoke: {}}}\n",
         "x.yaml:5:25: action.hold.revoke: is empty; give it notify, grace, then, or leave it out"},
        {head + match + "action: {hold: {revoke: {grace: 5s}}}\n",
         "x.yaml:5:25: action.hold.revoke: sends nothing; give it notify, such as SIGUSR1, or then, such as "
         "[SIGTERM, "},
        {head + match + "action: {hold: {revoke: {notfy: SIGUSR1}}}\n",
         "x.yaml:5:26: action.hold.revoke.notfy: unknown field; did you mean \"notify\"?"},
        {head + match + "action: {hold: {revoke: {notify: SIGUSR}}}\n",
         "x.yaml:5:34: action.hold.revoke.notify: \"SIGUSR\" is no signal; did you mean"},
        {head + match + "action: {hold: {revoke: {notify: 10}}}\n",
         "x.yaml:5:34: action.hold.revoke.notify: \"10\" is no signal; write its name, such as SIGUSR1"},
        {head + match + "action: {hold: {revoke: {notify: [SIGUSR1]}}}\n",
         "x.yaml:5:34: action.hold.revoke.notify: must be text, not a list"},
        {head + match + "action: {hold: {revoke: {notify: SIGKILL}}}\n",
         "x.yaml:5:34: action.hold.revoke.notify: SIGKILL asks for nothing; use a signal that the owner expects"},
        {head + match + "action: {hold: {revoke: {notify: SIGUSR1, grace: 5}}}\n",
         "x.yaml:5:50: action.hold.revoke.grace: \"5\" lacks a unit (write a whole"},
        {head + match + "action: {hold: {revoke: {notify: SIGUSR1, grace: 1ms}}}\n",
         "x.yaml:5:50: action.hold.revoke.grace: \"1ms\" is too short"},
        {head + match + "action: {hold: {revoke: {then: SIGTERM}}}\n",
         "x.yaml:5:32: action.hold.revoke.then: must be a list, not the text \"SIGTERM\"; write [SIGTERM]"},
        {head + match + "action: {hold: {revoke: {then: []}}}\n",
         "x.yaml:5:32: action.hold.revoke.then: has no signal; write signals with durations between them, such as "},
        {head + match + "action: {hold: {revoke: {then: [SIGTERM, 5s, SIGKIL]}}}\n",
         R"(x.yaml:5:46: action.hold.revoke.then[2]: "SIGKIL" is no signal; did you mean "SIGKILL"?)"},
        {head + match + "action: {hold: {revoke: {then: [SIGTERM, SIGKILL]}}}\n",
         "x.yaml:5:42: action.hold.revoke.then[1]: \"SIGKILL\" follows SIGTERM at once, which leaves no time"},
        {head + match +
             "action:\n  hold:\n    revoke:\n      then:\n        - SIGTERM\n        - 1ms\n        - SIGKILL\n",
         "x.yaml:10:11: action.hold.revoke.then[1]: \"1ms\" is too short"},
        {head + match + "action: {hold: {revoke: {then: [SIGTERM, 5s, [SIGKILL]]}}}\n",
         "x.yaml:5:46: action.hold.revoke.then[2]: must be text, not a list"},
        {head + match + "action: {hold: {revoke: {then: [SIGTERM, 1s, SIGSTOP]}}}\n",
         "x.yaml:5:46: action.hold.revoke.then[2]: SIGSTOP would stop the process"},
        {head + match + "action: {hold: {timeout: 10s, revoke: {then: [SIGTERM, 6s, SIGKILL]}}}\n",
         "x.yaml:5:39: action.hold.revoke: takes 11s until its end, which a hold of 10s never reaches; raise "
         "action.hold.timeout to 11s or more, or shorten grace and the durations of then"},
        {head + match + action + "unresolved: wait\n",
         "x.yaml:8:13: unresolved: \"wait\" is not one of: deny, allow, hold"},
        {head + match + action + "when_unattended: hold\n",
         "x.yaml:8:18: when_unattended: \"hold\" is not one of: release, keep"},
        // What is empty or missing.
        {"", "x.yaml:1:1: policy: there is none in it"},
        {"# nothing\n", "x.yaml:1:1: policy: there is none in it"},
        {"{}\n", "x.yaml:1:1: policy: is empty"},
        {"mode: off\n" + match + action, "x.yaml:1:1: name: is missing; give the policy a name"},
        {"name: p\n" + match + action, "x.yaml:1:1: mode: is missing; choose monitor, enforce or off"},
        {head + action,
         "x.yaml:1:1: match: is missing; without it the policy would match everything: say which operations"},
        {head + "match: {}\n" + action,
         "x.yaml:3:8: match.operations: is missing; without it the policy would match nothing"},
        {head + "match: {file: {filesystems: [xfs]}}\n" + action, "x.yaml:3:8: match.operations: is missing"},
        {head + "match: {operations: []}\n" + action, "x.yaml:3:21: match.operations: is an empty list"},
        {head + match + "  owner: {}\n" + action,
         "x.yaml:5:10: match.owner: is empty; give it uids, comms, cgroups, binaries, containers, or leave it out"},
        {head + match + "  pin: {drivers: []}\n" + action, "x.yaml:5:18: match.pin.drivers: is an empty list"},
        {head + match + "  pin: {drivers: [\"\"]}\n" + action, "x.yaml:5:19: match.pin.drivers[0]: is empty"},
        {head + match, "x.yaml:1:1: action: is missing; say what to do"},
        {head + match + "action: {}\n",
         "x.yaml:5:9: action: is empty; give it deny, hold, signal, notify, or leave it out"},
        {head + match + "action: {deny: }\n", "x.yaml:5:10: action.deny: must be a map with errno, not nothing"},
        // Too much of it.
        {"name: p\nname: q\n", "x.yaml:2:1: name: given twice, first on line 1; remove one"},
        {head + "match: {operations: [truncate], operations: [truncate]}\n" + action,
         "x.yaml:3:33: match.operations: given twice, first on line 3"},
        {head + match + "action: {deny: {}, hold: {}}\n",
         "x.yaml:5:9: action: must be exactly one, not deny, hold; remove the others"},
        {policy_named("a") + "---\n" + policy_named("b") + "---\n" + policy_named("a"),
         "x.yaml:11:7: name: \"a\" is taken by the policy at x.yaml:1:7; rename one"},
        // What is no YAML, or more YAML than is wanted.
        {"name: [p\n", "x.yaml:2:1: YAML: "},
        {"name: p\n mode: off\n", "x.yaml:2:6: YAML: "},
        {"name: &a p\n", "x.yaml:1:7: YAML: anchors (&name) are not accepted"},
        {"name: *a\n", "x.yaml:1:7: YAML: "},
        {"name: !!str p\n", "x.yaml:1:7: YAML: tags (!name) are not accepted"},
        {"[a]: b\n", "x.yaml:1:1: YAML: a field's name must be plain text"},
        {std::string("name: p\n\x04mode: off\n"), "x.yaml:2:1: control character in the text"},
        {"name: p\nx: \xff\n", "x.yaml:2:4: the text is not UTF-8"},
        {"name: \xc0\xaf\n", "x.yaml:1:7: the text is not UTF-8"},
        {policy_named("a") + "---\n", "x.yaml:6:1: policy: must be a map"},
    };
    for (const auto& [text, message] : table) {
        INFO(text);
        CHECK_THAT(error_of(text), Catch::StartsWith(message));
    }
}

TEST_CASE("text without bounds is refused before it hurts", "[policy_yaml]")
{
    CHECK_THAT(error_of(std::string(kMaxTextBytes + 1, '#')), Catch::Contains("is longer than 1048576 bytes"));
    CHECK_THAT(error_of("a: " + std::string(100, '[') + std::string(100, ']')), Catch::Contains("nested too deeply"));
    CHECK_THAT(error_of(std::string(100'000, '[')), Catch::Contains("YAML: "));
    CHECK_THAT(error_of(std::string(100'000, '{')), Catch::Contains("YAML: "));
    CHECK_THAT(error_of("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), Catch::Contains("anchors"));
    const std::string long_message = error_of("name: p\nmode: " + std::string(500'000, 'x') + "\n");
    CHECK(long_message.size() < 300);
    const auto message_length = [](const std::string& before, const std::string& endless, const std::string& after) {
        return error_of("name: p\nmode: off\nmatch: {operations: [truncate]}\naction: {hold: {revoke: {" + before +
                        endless + after + "}}}\n")
            .size();
    };
    for (const char letter : {'x', '5'}) {
        const std::string endless(500'000, letter);
        CHECK(message_length("notify: ", endless, "") < 300);
        CHECK(message_length("then: [", endless, "]") < 300);
        CHECK(message_length("then: [SIGTERM, ", endless, "]") < 300);
    }

    std::string many;
    for (int i = 0; i < 64; ++i) {
        many += "---\n" + policy_named("p" + std::to_string(i));
    }
    CHECK(parse_policies(many, "x.yaml")->size() == 64);
    CHECK_THAT(error_of(many + "---\n" + policy_named("last")), Catch::Contains("more than 64 policies"));
}

TEST_CASE("a file cut or changed anywhere gives a policy or a message, nothing else", "[policy_yaml]")
{
    const std::string whole = kComplete;
    std::mt19937 random(7);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        const auto parsed = parse_policies(whole.substr(0, cut), "x.yaml");
        CHECK((parsed || parsed.error().message.starts_with("x.yaml:")));
    }
    const std::string letters = "[]{}:,-&*!|>'\"%@`#? \n\t~.ax0";
    for (int round = 0; round < 2000; ++round) {
        std::string text = whole;
        for (int change = 0; change < 3; ++change) {
            text[random() % text.size()] = letters[random() % letters.size()];
        }
        const auto parsed = parse_policies(text, "x.yaml");
        INFO(text);
        CHECK((parsed || parsed.error().message.starts_with("x.yaml:")));
    }
}

}  // namespace pinwarden
