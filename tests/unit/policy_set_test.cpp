#include "policy/policy_set.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>

#include "support/fake_verdict_sink.h"

namespace pinwarden {
namespace {

constexpr FileKey kFile{.inode = 7, .device = 1, .generation = 0};

Policy named(const std::string& name, Mode mode = Mode::kEnforce)
{
    Policy policy;
    policy.name = name;
    policy.mode = mode;
    policy.operations = {Operation::kTruncate};
    policy.deny_errno = EBUSY;
    return policy;
}

std::vector<std::string> names(const PolicySet& set)
{
    std::vector<std::string> names;
    for (const Policy& policy : set.policies()) {
        names.push_back(policy.name);
    }
    return names;
}

PinRecord pin_of(const std::string& driver, std::uint64_t bytes, Nanoseconds acquired, std::uint32_t uid,
                 const std::string& comm)
{
    PinRecord pin;
    pin.driver = driver;
    pin.bytes = bytes;
    pin.acquired = acquired;
    pin.owner.uid = uid;
    pin.owner.comm = comm;
    return pin;
}

OperationEvent decided(pw_verdict verdict, int slot, std::uint64_t matched)
{
    OperationEvent operation;
    operation.file = kFile;
    operation.verdict = verdict;
    operation.policy = slot;
    operation.matched = matched;
    operation.error = EBUSY;
    return operation;
}

}  // namespace

TEST_CASE("policies keep their order: new ones last, changed ones in place", "[policy_set]")
{
    PolicySet set;
    REQUIRE(set.apply({named("a"), named("b")}));
    REQUIRE(set.apply({named("c"), named("a", Mode::kOff)}));
    CHECK(names(set) == std::vector<std::string>{"a", "b", "c"});
    CHECK(set.policies()[0].mode == Mode::kOff);
    REQUIRE(set.remove("b"));
    CHECK(names(set) == std::vector<std::string>{"a", "c"});
}

TEST_CASE("what is refused changes nothing", "[policy_set]")
{
    PolicySet set;
    REQUIRE(set.apply({named("a")}));

    const auto invalid = set.apply({named("b"), named("bad name")});
    REQUIRE_FALSE(invalid);
    CHECK(invalid.error().code == EINVAL);
    CHECK_THAT(invalid.error().message, Catch::StartsWith("policy \"bad name\": name: "));

    CHECK_THAT(set.apply({named("b"), named("b")}).error().message, Catch::Contains("given twice"));

    const auto unknown = set.remove("x");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ENOENT);
    CHECK(unknown.error().message == "no policy is named \"x\"; there are: a");
    CHECK(PolicySet().remove("x").error().message == "no policy is named \"x\"; there are none");

    std::vector<Policy> many;
    for (int i = 0; i < PW_POLICIES; ++i) {
        many.push_back(named("p" + std::to_string(i)));
    }
    CHECK_THAT(set.apply(many).error().message, Catch::Contains("65 policies; at most 64"));
    CHECK(names(set) == std::vector<std::string>{"a"});
    many.pop_back();
    CHECK(set.apply(many));
}

TEST_CASE("path prefixes from the API are normalised", "[policy_set]")
{
    PolicySet set;
    Policy policy = named("a");
    policy.file.path_prefixes = {"/mnt//x/"};
    REQUIRE(set.apply({policy}));
    CHECK(set.policies()[0].file.path_prefixes == std::vector<std::string>{"/mnt/x"});
    policy.file.path_prefixes = {"/mnt/../x"};
    CHECK_FALSE(set.apply({policy}));
}

TEST_CASE("a policy compiles to flags", "[policy_set]")
{
    const std::uint32_t usual = PW_POLICY_UNRESOLVED_DENY;
    Policy monitor = named("monitor", Mode::kMonitor);
    Policy off = named("off", Mode::kOff);
    Policy by_path = named("path");
    by_path.file.path_prefixes = {"/a"};
    Policy by_pin = named("pin");
    by_pin.pin.drivers = {"vfio"};
    Policy lenient = named("lenient");
    lenient.unresolved = Unresolved::kAllow;
    lenient.deny_errno = ETXTBSY;
    lenient.operations = {Operation::kPunchHole, Operation::kTruncate};
    lenient.file.filesystems = {"ext4", "a-fifteen-bytes"};

    PolicySet set;
    REQUIRE(set.apply({monitor, off, by_path, by_pin, lenient}));
    FakePathResolver resolver;
    resolver.directories["/a"] = {{2, 3}};
    const auto compiled = set.compile(resolver);
    REQUIRE(compiled);
    const pw_policy_table& table = compiled->table;
    CHECK(table.count == 5);
    CHECK(table.policy[0].operations == 1U << PW_OPERATION_TRUNCATE);
    CHECK(table.policy[4].operations == (1U << PW_OPERATION_TRUNCATE | 1U << PW_OPERATION_PUNCH_HOLE));
    CHECK(table.policy[0].flags == (usual | PW_POLICY_IN_USE | PW_POLICY_ANY_PATH));
    CHECK(table.policy[1].flags == (usual | PW_POLICY_ANY_PATH));
    CHECK(table.policy[2].flags == (usual | PW_POLICY_IN_USE | PW_POLICY_ENFORCE));
    CHECK(table.policy[3].flags ==
          (usual | PW_POLICY_IN_USE | PW_POLICY_ENFORCE | PW_POLICY_ANY_PATH | PW_POLICY_SELECTS_PINS));
    CHECK(table.policy[4].flags == (PW_POLICY_IN_USE | PW_POLICY_ENFORCE | PW_POLICY_ANY_PATH));
    CHECK(table.policy[3].error == EBUSY);
    CHECK(table.policy[4].error == ETXTBSY);
    CHECK(table.policy[3].filesystems == 0);
    CHECK(table.policy[4].filesystems == 2);
    CHECK(std::strcmp(table.policy[4].filesystem[0], "ext4") == 0);
    CHECK(std::strcmp(table.policy[4].filesystem[1], "a-fifteen-bytes") == 0);

    const std::vector<std::string_view> states = {"monitoring", "off", "active", "active", "active", "off"};
    for (std::size_t slot = 0; slot < states.size(); ++slot) {
        CHECK(policy_state(*compiled, slot) == states[slot]);
    }
}

TEST_CASE("path prefixes compile to directories, each with the policies it belongs to", "[policy_set]")
{
    Policy first = named("first");
    first.file.path_prefixes = {"/a", "/link"};
    Policy second = named("second");
    second.file.path_prefixes = {"/b", "/nowhere"};
    Policy absent = named("absent");
    absent.file.path_prefixes = {"/nowhere"};
    Policy off = named("off", Mode::kOff);
    off.file.path_prefixes = {"/a", "/nowhere"};
    PolicySet set;
    REQUIRE(set.apply({first, second, absent, off}));

    FakePathResolver resolver;
    resolver.directories = {{"/a", {{10, 1}, {2, 9}}}, {"/b", {{11, 1}}}};
    resolver.links["/link"] = "/b";
    const auto compiled = set.compile(resolver);
    REQUIRE(compiled);
    CHECK(compiled->prefixes == std::map<DirectoryId, std::uint64_t>{{{10, 1}, 1}, {{2, 9}, 1}, {{11, 1}, 3}});
    CHECK(compiled->paths == std::map<std::string, std::uint64_t>{{"/a", 1}, {"/b", 3}});
    CHECK(compiled->pending ==
          std::vector<std::string>{"", "path /nowhere does not exist yet", "path /nowhere does not exist yet", ""});
    CHECK(policy_state(*compiled, 1) == "active");
    CHECK(policy_state(*compiled, 2) == "pending");
    CHECK(policy_state(*compiled, 3) == "off");

    CHECK(policies_covering(*compiled, kFile, "/a/x") == 1);
    CHECK(policies_covering(*compiled, kFile, "/b") == 3);
    CHECK(policies_covering(*compiled, kFile, "/bb") == 0);
    CHECK(policies_covering(*compiled, kFile, "memfd:a") == 0);
    CHECK(policies_covering(*compiled, kFile, ".../a/x") == 0);
    CHECK(policies_covering(*compiled, kFile, "") == 0);

    // Of a file that is one of these itself, whatever it is called.
    CHECK(policies_covering(*compiled, {.inode = 11, .device = 1}, "memfd:a") == 3);

    resolver.errors["/b"] = {"cannot look up /b: Input/output error", EIO};
    const auto failed = set.compile(resolver);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == EIO);
    CHECK(failed.error().message ==
          "policy \"second\": match.file.path_prefixes: cannot look up /b: Input/output error");
}

TEST_CASE("mounts and inodes compile to directories, too", "[policy_set]")
{
    Policy policy = named("p");
    policy.file.mounts = {"/mnt/a", "/mnt/b"};
    policy.file.inodes = {{.major = 8, .minor = 17, .inode = 42}};
    FakePathResolver resolver;
    resolver.mount_roots = {{"/mnt/a", {.inode = 2, .device = 9}}};
    const auto compiled = compile({policy}, resolver);
    REQUIRE(compiled);
    const std::uint32_t device = 8U << 20U | 17U;
    CHECK(compiled->prefixes == std::map<DirectoryId, std::uint64_t>{{{2, 9}, 1}, {{42, device}, 1}});
    CHECK(compiled->pending == std::vector<std::string>{"nothing is mounted at /mnt/b yet"});
    CHECK(policy_state(*compiled, 0) == "active");
    CHECK((compiled->table.policy[0].flags & PW_POLICY_ANY_PATH) == 0);
    // What is mounted below is another device.
    CHECK(policies_covering(*compiled, {.inode = 7, .device = 9}, "/mnt/a/x") == 1);
    CHECK(policies_covering(*compiled, {.inode = 7, .device = 10}, "/mnt/a/x") == 0);
    CHECK(policies_covering(*compiled, {.inode = 7, .device = 9}, "/mnt/c/x") == 0);
    CHECK(policies_covering(*compiled, {.inode = 42, .device = device}, "/anywhere") == 1);

    policy.file.inodes.clear();
    policy.file.mounts = {"/mnt/b"};
    CHECK(policy_state(compile({policy}, resolver).value(), 0) == "pending");
}

TEST_CASE("callers compile to what the kernel's side compares", "[policy_set]")
{
    Policy plain = named("plain");
    Policy by_name = named("by-name");
    by_name.caller.uids = {0, 1000};
    by_name.caller.comms = {"rm"};
    by_name.caller.binaries = {"/usr/bin/rm"};
    Policy by_cgroup = named("by-cgroup");
    by_cgroup.caller.cgroups = {"/jobs", "/none"};
    by_cgroup.caller.containers = {"web"};
    FakePathResolver resolver;
    resolver.programs = {{"/usr/bin/rm", {{.inode = 5, .device = 1}, "rm"}}};
    resolver.cgroups = {{"/jobs", 77}};
    resolver.containers = {{"web", {78, 79}}};
    const auto compiled = compile({plain, by_name, by_cgroup}, resolver);
    REQUIRE(compiled);
    const std::map<CallerId, std::uint64_t> expected{
        {{PW_CALLER_UID, 0, 0, ""}, 2},        {{PW_CALLER_UID, 1000, 0, ""}, 2},
        {{PW_CALLER_COMM, 0, 0, "rm"}, 2},     {{PW_CALLER_BINARY, 5, 1, "rm"}, 2},
        {{PW_CALLER_CGROUP, 77, 0, ""}, 4},    {{PW_CALLER_CONTAINER, 78, 0, ""}, 4},
        {{PW_CALLER_CONTAINER, 79, 0, ""}, 4},
    };
    CHECK(compiled->callers == expected);
    CHECK(compiled->table.selects_callers == 1);
    CHECK(compiled->table.any_caller[PW_CALLER_UID] == 5);
    CHECK(compiled->table.any_caller[PW_CALLER_CGROUP] == 3);
    CHECK(compiled->table.by_cgroup == 4);
    CHECK(compiled->pending[2] == "cgroup /none does not exist yet");
    CHECK(policy_state(*compiled, 2) == "active");

    resolver.containers.clear();
    const auto later = compile({plain, by_name, by_cgroup}, resolver);
    REQUIRE(later);
    CHECK(policy_state(*later, 2) == "pending");
    CHECK(later->pending[2] == "cgroup /none does not exist yet, container web does not run yet");
    CHECK_FALSE(later->resolves_to_the_same(*compiled));
    CHECK(compile({plain}, resolver)->table.selects_callers == 0);
}

TEST_CASE("what lets an operation go ahead fails nothing", "[policy_set]")
{
    Policy signals = named("signals");
    signals.deny_errno = 0;
    signals.signal = SignalAction{.target = SignalTarget::kOwners, .signals = {{.signal = SIGTERM}}};
    signals.operations = {Operation::kTruncate, Operation::kMunmap};
    signals.unresolved = default_unresolved(signals);
    Policy tells = named("tells");
    tells.deny_errno = 0;
    tells.notify = true;
    tells.operations = {Operation::kInvalidate};
    tells.unresolved = default_unresolved(tells);
    PolicySet set;
    REQUIRE(set.apply({signals, tells}));
    FakePathResolver resolver;
    const auto compiled = set.compile(resolver);
    REQUIRE(compiled);
    const pw_policy& first = compiled->table.policy[0];
    CHECK(first.error == 0);
    CHECK((first.flags & (PW_POLICY_SIGNAL | PW_POLICY_UNRESOLVED_HOLD | PW_POLICY_HOLD)) ==
          (PW_POLICY_SIGNAL | PW_POLICY_UNRESOLVED_HOLD));
    CHECK(first.operations == 1U << PW_OPERATION_TRUNCATE);
    CHECK((compiled->table.policy[1].flags & PW_POLICY_NOTIFY) != 0);
    CHECK(compiled->table.policy[1].operations == 0);
}

TEST_CASE("a process suits a selector by all that is given", "[policy_set]")
{
    Task task;
    task.uid = 1000;
    task.comm = "worker";
    const std::string id(64, 'a');
    const auto names = [](TaskNames of) { return std::make_shared<const TaskNames>(std::move(of)); };
    task.names = names(
        {.executable = "/usr/bin/worker", .cgroup = "/system.slice/docker-" + id + ".scope/inner", .container = ""});
    ProcessSelector selector;
    CHECK(suits(selector, task));
    selector = {.uids = {1000},
                .comms = {"worker"},
                .cgroups = {"/system.slice"},
                .binaries = {"/usr/bin/worker"},
                .containers = {id}};
    CHECK(suits(selector, task));
    const auto but = [&](auto&& change) {
        ProcessSelector other = selector;
        change(other);
        return suits(other, task);
    };
    CHECK_FALSE(but([](auto& s) { s.uids = {0}; }));
    CHECK_FALSE(but([](auto& s) { s.comms = {"work"}; }));
    CHECK_FALSE(but([](auto& s) { s.cgroups = {"/system"}; }));
    CHECK_FALSE(but([](auto& s) { s.binaries = {"/usr/bin"}; }));
    CHECK_FALSE(but([](auto& s) { s.containers = {"a"}; }));
    // What is not known suits nothing that asks for it.
    task.names.reset();
    CHECK_FALSE(suits(selector, task));
    CHECK_FALSE(but([](auto& s) { s.binaries.clear(), s.containers.clear(); }));
    CHECK(but([](auto& s) { s.binaries.clear(), s.containers.clear(), s.cgroups.clear(); }));
}

TEST_CASE("decisions are counted by name, over replacement and across tables", "[policy_set]")
{
    PolicySet set;
    REQUIRE(set.apply({named("a"), named("b", Mode::kMonitor)}));
    const std::vector<Policy> before = set.policies();
    set.count(decided(PW_VERDICT_DENY, 0, 0b11), before);
    set.count(decided(PW_VERDICT_WOULD_DENY, 1, 0b10), before);
    set.count(decided(PW_VERDICT_ALLOW, -1, 0), before);
    CHECK(set.counters("a").matched == 1);
    CHECK(set.counters("a").denied == 1);
    CHECK(set.counters("a").would_have_denied == 0);
    CHECK(set.counters("b").matched == 2);
    CHECK(set.counters("b").denied == 0);
    CHECK(set.counters("b").would_have_denied == 1);
    CHECK(set.counters("unknown").matched == 0);

    set.count(decided(PW_VERDICT_HOLD, 0, 0b01), before);
    set.count(decided(PW_VERDICT_WOULD_HOLD, 1, 0b00), before);
    CHECK(set.counters("a").held == 1);
    CHECK(set.counters("a").would_have_held == 0);
    CHECK(set.counters("a").denied == 1);
    CHECK(set.counters("b").held == 0);
    CHECK(set.counters("b").would_have_held == 1);
    CHECK(set.counters("b").would_have_denied == 1);

    REQUIRE(set.apply({named("b", Mode::kOff)}));
    CHECK(set.counters("b").matched == 2);
    REQUIRE(set.remove("a"));
    set.count(decided(PW_VERDICT_DENY, 0, 0b11), before);  // of the table before: slot 0 was "a", 1 still is "b"
    CHECK(set.counters("a").denied == 0);
    CHECK(set.counters("b").matched == 3);
    set.count(decided(PW_VERDICT_DENY, 70, ~0ULL), set.policies());
    CHECK(set.counters("b").denied == 0);

    OperationEvent signalled = decided(PW_VERDICT_SIGNAL, 1, 0b10);
    set.count(signalled, before);
    CHECK(set.counters("b").signalled == 1);
    const auto matched = set.counters("b").matched;
    // It was held before, and counted then.
    signalled.hold = 9;
    set.count(signalled, before);
    CHECK(set.counters("b").signalled == 2);
    CHECK(set.counters("b").matched == matched);
}

TEST_CASE("a pin concerns a policy when every selector holds", "[policy_set]")
{
    Policy policy = named("p");
    policy.pin = {{"rdma_rxe", "vfio"}, 4096, 100};
    policy.owner = {{0, 1000}, {"trainer"}};
    struct Case {
        PinRecord pin;
        Nanoseconds now;
        bool concerned;
    };
    const Nanoseconds never = std::numeric_limits<Nanoseconds>::max();
    const std::vector<Case> table = {
        {pin_of("vfio", 4096, 50, 1000, "trainer"), 150, true},
        {pin_of("rdma_rxe", 8192, 50, 0, "trainer"), never, true},
        {pin_of("vfio", 4096, 50, 1000, "trainer"), 149, false},
        {pin_of("io_uring", 4096, 50, 1000, "trainer"), 150, false},
        {pin_of("vfio", 4095, 50, 1000, "trainer"), 150, false},
        {pin_of("vfio", 4096, 50, 1001, "trainer"), 150, false},
        {pin_of("vfio", 4096, 50, 1000, "trainee"), 150, false},
        {pin_of("vfio", 4096, never, 1000, "trainer"), 150, false},
    };
    for (const Case& one : table) {
        CHECK(concerns(policy, one.pin, one.now) == one.concerned);
    }
    CHECK(concerns(named("any"), pin_of("x", 0, 50, 1, "y"), 0));
}

TEST_CASE("the concerned range spans the concerned pins and tells when it will grow", "[policy_set]")
{
    Ledger ledger;
    const auto pin = [&](PinId id, Nanoseconds time, const std::string& driver, std::uint64_t page,
                         std::uint64_t pages) {
        PinEvent event;
        event.time = time;
        event.pin = id;
        event.address = id << 32U;
        event.pinned_pages = pages;
        event.long_term = true;
        ledger.pin(event, driver);
        ledger.range({.time = time,
                      .pin = id,
                      .address = id << 32U,
                      .page_index = page,
                      .pages = pages,
                      .sequence = id,
                      .file = kFile});
    };
    pin(1, 100, "vfio", 10, 5);
    pin(2, 200, "vfio", 40, 2);
    pin(3, 300, "rdma_rxe", 0, 100);
    Policy policy = named("p");
    policy.pin.drivers = {"vfio"};
    policy.pin.min_age = 50;

    using Pages = std::pair<std::uint64_t, std::uint64_t>;
    const auto young = concerned_range(policy, ledger, kFile, 149);
    CHECK_FALSE(young.pages);
    CHECK(young.next_change == Nanoseconds{150});
    const auto one = concerned_range(policy, ledger, kFile, 150);
    CHECK(one.pages == Pages(10, 15));
    CHECK(one.next_change == Nanoseconds{250});
    const auto both = concerned_range(policy, ledger, kFile, 250);
    CHECK(both.pages == Pages(10, 42));
    CHECK_FALSE(both.next_change);
    const auto unknown = concerned_range(policy, ledger, FileKey{.inode = 8}, 250);
    CHECK_FALSE(unknown.pages);
    CHECK_FALSE(unknown.next_change);
}

TEST_CASE("a decision is explained in one sentence", "[policy_set]")
{
    const Policy policy = named("x");
    OperationEvent deny = decided(PW_VERDICT_DENY, 0, 1);
    OperationEvent would = decided(PW_VERDICT_WOULD_DENY, 0, 1);
    would.offset = 4096;
    const OperationEvent none = decided(PW_VERDICT_ALLOW, -1, 0);
    CHECK(explain(deny, &policy, 1) == "policy \"x\" denied truncate to 0 bytes with EBUSY: 1 pin overlaps");
    CHECK(explain(would, &policy, 2) ==
          "policy \"x\" (monitor) would have denied truncate to 4096 bytes with EBUSY: 2 pins overlap");
    CHECK(explain(none, nullptr, 3) == "no policy matched truncate to 0 bytes: 3 pins overlap");
    CHECK(explain(deny, nullptr, 1) == "a policy that is gone denied truncate to 0 bytes with EBUSY: 1 pin overlaps");
    OperationEvent punch = decided(PW_VERDICT_DENY, 0, 1);
    punch.operation = PW_OPERATION_PUNCH_HOLE;
    punch.offset = 8192;
    punch.length = 4096;
    CHECK(explain(punch, &policy, 1) ==
          "policy \"x\" denied punch_hole of 4096 bytes from 8192 with EBUSY: 1 pin overlaps");
    deny.unresolved = true;
    CHECK(explain(deny, &policy, 0) ==
          "policy \"x\" denied truncate to 0 bytes with EBUSY: pins overlap that the daemon does not know; decided "
          "while not all pins were known");
}

TEST_CASE("a hold is explained with how long it may last", "[policy_set]")
{
    Policy policy = named("x");
    policy.hold = Hold{};
    OperationEvent hold = decided(PW_VERDICT_HOLD, 0, 1);
    const OperationEvent would = decided(PW_VERDICT_WOULD_HOLD, 0, 1);
    CHECK(explain(hold, &policy, 1) == "policy \"x\" holds truncate to 0 bytes for up to 10s: 1 pin overlaps");
    CHECK(explain(would, &policy, 2) ==
          "policy \"x\" (monitor) would have held truncate to 0 bytes for up to 10s: 2 pins overlap");
    CHECK(explain(hold, nullptr, 1) == "a policy that is gone holds truncate to 0 bytes: 1 pin overlaps");
    hold.unresolved = true;
    policy.hold.reset();
    CHECK(explain(hold, &policy, 1) ==
          "policy \"x\" holds truncate to 0 bytes until all pins are known: 1 pin overlaps; decided while not all pins "
          "were known");
}

}  // namespace pinwarden
