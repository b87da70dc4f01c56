#include "cli/render.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "cli/table.h"
#include "publish/convert.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

TEST_CASE("sizes and ages read as people say them")
{
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(1023) == "1023 B");
    CHECK(human_bytes(1024) == "1.0 KiB");
    CHECK(human_bytes(1048575) == "1.0 MiB");
    CHECK(human_bytes(64 * kMiB) == "64.0 MiB");
    CHECK(human_bytes(1536 * kMiB) == "1.5 GiB");
    CHECK(human_bytes(~std::uint64_t{0}) == "16.0 EiB");
    CHECK(human_age(-5) == "0s");
    CHECK(human_age(3) == "3s");
    CHECK(human_age(130) == "2m10s");
    CHECK(human_age(3600) == "1h00m");
    CHECK(human_age(90061) == "1d01h");
    CHECK(human_duration(0, 999'999) == "0ms");
    CHECK(human_duration(0, 250'000'000) == "250ms");
    CHECK(human_duration(3, 200'000'000) == "3.2s");
    CHECK(human_duration(3, 99'999'999) == "3s");
    CHECK(human_duration(59, 999'999'999) == "59.9s");
    CHECK(human_duration(60, 500'000'000) == "1m00s");
    CHECK(human_duration(0, -1) == "0ms");
}

TEST_CASE("a name cannot steer the terminal")
{
    CHECK(visible("plain \xc3\xa4") == "plain \xc3\xa4");
    CHECK(visible("\x1b[2J\n\x7f") == "\\x1b[2J\\x0a\\x7f");
    CHECK(visible("\xc2\x9b"
                  "2J") == "\\u009b2J");
    CHECK(visible("a\xe2\x80\xae"
                  "z\xe2\x80\xac") == "a\\u202ez\\u202c");
}

TEST_CASE("columns line up, by characters and not by bytes")
{
    Table table({{"NAME"}, {"N", Align::kRight}, {"REST"}});
    table.add_row({{"\xc3\xa4\xc3\xa4"}, {"7"}, {"x"}});
    table.add_row({{"abcde"}, {"1234"}, {""}});
    table.add_line("  between");
    table.add_row({{""}, {""}, {"y"}});
    CHECK(table.text(kPlain) ==
          "NAME      N  REST\n"
          "\xc3\xa4\xc3\xa4        7  x\n"
          "abcde  1234\n"
          "  between\n"
          "             y\n");
}

TEST_CASE("pins: who holds what, since when")
{
    PinView gone = file_pin(2, 100, 1);
    gone.pin.owner_exited = true;
    gone.pin.owner.comm = "evil\x1b[31m";
    gone.pin.writable = false;
    gone.files[kShownFile].deleted = true;
    PinView anonymous = file_pin(3, 0, 256);
    anonymous.pin.driver = "io_uring";
    anonymous.pin.backing = Backing::kAnonymous;
    anonymous.pin.ranges.clear();
    PinView two_files = file_pin(4, 8, 8);
    two_files.pin.ranges = {{kShownFile, 8, 4, 0}, {FileKey{13, kShownFile.device, 0}, 0, 4, 4}};
    const std::vector<PinView> pins{file_pin(1, 0, 16384), gone, anonymous, two_files};

    CHECK(render_pins(listed(pins), kPlain) ==
          "PID  COMM                    UID  DRIVER       BYTES    AGE  BACKING    ACCESS  DEV:INODE  PAGES    FILE\n"
          "812  rdma-demo              1000  rdma_rxe  64.0 MiB  2m00s  file       write   253:1:12   0-16383  "
          "/mnt/data/x\n"
          "812  evil\\x1b[31m (exited)  1000  rdma_rxe   4.0 KiB  2m00s  file       read    253:1:12   100-100  "
          "/mnt/data/x (deleted)\n"
          "812  rdma-demo              1000  io_uring   1.0 MiB  2m00s  anonymous  write   -          -        -\n"
          "812  rdma-demo              1000  rdma_rxe  32.0 KiB  2m00s  file       write   253:1:12   8-11     "
          "/mnt/data/x\n"
          "                                                                                253:1:13   0-3      ?\n");

    v1::ListPinsResponse none;
    none.mutable_trust()->set_ledger_certain(false);
    CHECK(render_pins(none, kPlain) ==
          "No pins.\n"
          "Not certain: events were lost, so pins may be missing or already gone. See `pinctl status`.\n");
}

TEST_CASE("pins: containers have a column where there are any")
{
    PinView docker = file_pin(1, 0, 1);
    docker.pin.owner.names = std::make_shared<const TaskNames>(
        TaskNames{"", false, "", "c0ffee00112233445566778899aabbccddeeff00112233445566778899aabbcc"});
    PinView lxc = file_pin(2, 0, 1);
    lxc.pin.owner.names = std::make_shared<const TaskNames>(TaskNames{"", false, "", "web\x1b[31m"});
    PinView host = file_pin(3, 0, 1);
    const std::string table = render_pins(listed({docker, lxc, host}), kPlain);
    CHECK_THAT(table, Catch::Contains("ACCESS  CONTAINER     DEV:INODE"));
    CHECK_THAT(table, Catch::Contains("write   c0ffee001122  253:1:12"));
    CHECK_THAT(table, Catch::Contains("write   web\\x1b[31m   253:1:12"));
    CHECK_THAT(table, Catch::Contains("write   -             253:1:12"));
}

TEST_CASE("pins: the call stack below the pin")
{
    v1::ListPinsRequest request;
    request.set_include_stack(true);
    CHECK_THAT(render_pins(listed({file_pin(1, 0, 1)}, request), kPlain),
               Catch::EndsWith("/mnt/data/x\n"
                               "    pin_user_pages_fast+0x1f\n"
                               "    ib_umem_get+0x2d2 [ib_uverbs]\n"));
}

TEST_CASE("orphans: how long, whose they were, and who may hold them")
{
    PinView young = file_pin(1, 0, 256);
    young.pin.owner_exited = true;
    young.pin.orphaned = 120 * kSecond;
    young.pin.scope.kind = PW_SCOPE_RDMA_REGION;
    young.driver_frame = "rxe_mr_init_user+0x4f [rdma_rxe]";
    PinView leak = file_pin(2, 300, 1);
    leak.pin.owner_exited = leak.pin.leak = true;
    leak.pin.orphaned = 30 * kSecond;
    leak.pin.owner.comm = "evil\x1b[31m";
    leak.pin.driver = "nvidia";
    const std::vector<PinView> pins{young, leak, file_pin(3, 600, 1)};
    Holders holders;
    holders.by_kind[PW_SCOPE_RDMA_REGION] = {
        {.pid = 900, .comm = "heir\n", .uid = 0, .file = "/dev/infiniband/uverbs0"}};
    holders.by_kind[PW_SCOPE_VFIO_MAPPING] = {{.pid = 901, .comm = "other", .uid = 0, .file = "/dev/vfio/1"}};
    v1::ListPinsRequest request;
    request.mutable_filter()->set_orphans(true);
    request.set_include_holders(true);
    CHECK(
        render_orphans(listed(pins, request, holders), kPlain) ==
        "ORPHANED            BYTES  DRIVER    FORMER OWNER        UID  MEMORY       PINNED IN\n"
        "   1m40s  leak    4.0 KiB  nvidia    evil\\x1b[31m[812]  1000  /mnt/data/x  -\n"
        "    not known what it was made for, so not who may hold it\n"
        "     10s  orphan  1.0 MiB  rdma_rxe  rdma-demo[812]     1000  /mnt/data/x  rxe_mr_init_user+0x4f [rdma_rxe]\n"
        "    rdma region, may be held by heir\\x0a[900] through /dev/infiniband/uverbs0\n");

    request.mutable_filter()->set_leaks(true);
    holders.complete = false;
    const v1::ListPinsResponse leaks = listed(pins, request, holders);
    REQUIRE(leaks.pins_size() == 1);
    CHECK(leaks.pins(0).id() == 2);
    CHECK(leaks.pins(0).orphaned_for().seconds() == 100);
    CHECK_THAT(render_orphans(leaks, kPlain), Catch::Contains("there may be other holders"));
    CHECK(render_orphans(listed({}, request), kPlain) == "None.\n");
}

TEST_CASE("failures: what could not be pinned, and why")
{
    FailureList list{.failures = {failed_pin(EFAULT), failed_pin(ENOMEM)},
                     .total = 2,
                     .taken = 130 * kSecond,
                     .boot_to_unix = 1'700'000'000 * kSecond};
    list.failures[1].owner.comm = "evil\x1b[31m";
    list.failures[1].writable = false;
    CHECK(render_failures(failures_to_proto(list, {}), kPlain) ==
          "  AGE  ERROR   PID  COMM           UID  DRIVER      BYTES  ACCESS  FUNCTION\n"
          "1m50s  EFAULT  812  rdma-demo     1000  rdma_rxe  1.0 MiB  write   pin_user_pages_fast\n"
          "1m50s  ENOMEM  812  evil\\x1b[31m  1000  rdma_rxe  1.0 MiB  read    pin_user_pages_fast\n");
    v1::ListFailuresRequest request;
    request.set_include_stack(true);
    list.total = 300;
    CHECK_THAT(render_failures(failures_to_proto(list, request), kPlain),
               Catch::EndsWith("    ib_umem_get+0x2d2 [ib_uverbs]\nthe last 2 of 300\n"));
    CHECK(render_failures({}, kPlain) == "No failures.\n");

    const Notice notice{.time = 20 * kSecond, .boot_to_unix = 0, .what = FailedNotice{failed_pin(EFAULT)}};
    CHECK(event_kinds(notice) == std::vector{v1::EVENT_KIND_FAILURE});
    CHECK_THAT(render_event(event_to_proto(notice, v1::EVENT_KIND_FAILURE), kPlain),
               Catch::EndsWith("failure   rdma-demo[812] rdma_rxe could not pin 1.0 MiB for writing: EFAULT\n"));
}

TEST_CASE("status: what is seen, and what is not")
{
    Snapshot snapshot = snapshot_with({file_pin(1, 0, 16)});
    snapshot.hooks = {{"pin_user_pages", "acquire", true, "", 0},
                      {"memfd_pin_folios", "acquire", false, "this kernel does not have it", 0}};
    snapshot.losses = {{"ring_full_pin", 0, true}, {"path_cut", 3, false}};
    snapshot.notices = {"Kernel symbols are hidden."};
    snapshot.notifiers = 2;
    snapshot.on_demand_ranges = 1;
    snapshot.on_demand_bytes = 65536;
    snapshot.policy_generation = 4;
    v1::GetStatusResponse status = status_to_proto(snapshot);

    CHECK(render_status(status, 1'700'000'135, kPlain) ==
          "pinwardend 0.1.0, pid 77, up 2m10s, on Linux 6.1.0-32-amd64\n"
          "Pinned    64.0 KiB in 1 pin\n"
          "Ledger    certain\n"
          "Notifiers 2, of these 1 on-demand range with 64.0 KiB\n"
          "Held      nothing\n"
          "Lost      path_cut 3\n"
          "Policies  generation 4\n"
          "Note      Kernel symbols are hidden.\n"
          "\n"
          "HOOK              PURPOSE  STATE         MISSED  REASON\n"
          "pin_user_pages    acquire  attached           0\n"
          "memfd_pin_folios  acquire  not attached       0  this kernel does not have it\n");
    CHECK_THAT(render_status(status, 0, kColoured), Catch::Contains("\x1b[33mnot attached\x1b[0m"));
    status.set_holds(1);
    CHECK_THAT(render_status(status, 0, kPlain), Catch::Contains("Held      1 operation, see `pinctl holds`\n"));
}

TEST_CASE("notifiers: who has memory on demand, who listens to all")
{
    CHECK(render_notifiers(notifiers_to_proto(two_notifiers()), kPlain) ==
          "PID  COMM                 UID  DRIVER   MEMORY            BYTES  ADDRESS           AGE\n"
          "812  rdma-demo           1000  mlx5_ib  on demand      64.0 KiB  0x7f0000000000  2m00s\n"
          "812  rdma-demo (exited)  1000  kvm      whole process         -  -               2m00s\n");
    CHECK(render_notifiers({}, kPlain) == "No notifiers.\n");
}

TEST_CASE("holds: who waits for what, and how much longer")
{
    HoldView crowded = held_truncate(12);
    crowded.conflict.conflict.operation.operation = PW_OPERATION_UMOUNT;
    crowded.conflict.conflict.path = "/mnt/data";
    crowded.deadline = 23 * kSecond;
    crowded.released = Outcome::kDeny;
    crowded.conflict.conflict.pins.clear();
    for (std::uint32_t i = 0; i < 6; ++i) {
        PinRecord pin = file_pin(i + 1, i * 1000, 1).pin;
        pin.owner.process.pid = 800 + i;
        crowded.conflict.conflict.pins.push_back(pin);
    }
    HoldView clear = held_truncate(13);
    clear.since = 23 * kSecond;
    clear.deadline = 143 * kSecond;
    clear.conflict.conflict.pins.clear();
    CHECK(render_holds(holds_to_proto(holds_with({held_truncate(7), crowded, clear})), kPlain) ==
          "ID   HELD   LEFT  CALLER         OPERATION  FILE         POLICY  PINS\n"
          " 7   3.2s   6.8s  truncate[900]  truncate   /mnt/data/x  keep    1 of rdma-demo[812]\n"
          "12   3.2s    0ms  truncate[900]  umount     /mnt/data    keep    6 of rdma-demo[800], rdma-demo[801], "
          "rdma-demo[802], rdma-demo[803] and 2 others\n"
          "    released: deny; the caller has not gone on yet\n"
          "13  200ms  1m59s  truncate[900]  truncate   /mnt/data/x  keep    0\n");
    CHECK(render_holds({}, kPlain) == "No operation is held.\n");
}

TEST_CASE("policies: state, counters, and what they match")
{
    Snapshot snapshot;
    PolicyState state;
    state.policy = {.name = "keep",
                    .mode = Mode::kEnforce,
                    .operations = {Operation::kTruncate},
                    .file = {.path_prefixes = {"/mnt/a", "/mnt/b"}, .filesystems = {"ext4"}},
                    .pin = {.drivers = {}, .min_bytes = 0, .min_age = 5 * kSecond},
                    .owner = {},
                    .deny_errno = EBUSY,
                    .hold = std::nullopt,
                    .unresolved = Unresolved::kDeny,
                    .source = "/etc/pinwarden/keep.yaml"};
    state.state = "pending";
    state.reason = "/mnt/b does not exist yet";
    state.counters = {.matched = 12, .denied = 11, .would_have_denied = 1, .held = 0, .would_have_held = 0};
    PolicyState holding = state;
    holding.policy.hold = Hold{};
    holding.policy.file = {};
    holding.policy.pin = {};
    holding.state = "active";
    holding.reason = "";
    holding.counters = {.matched = 7, .denied = 0, .would_have_denied = 0, .held = 5, .would_have_held = 2};
    PolicyState lenient = holding;
    lenient.policy.hold = Hold{.timeout = kSecond / 4, .on_timeout = Outcome::kAllow};
    snapshot.policies = {state, holding, lenient};
    PolicyState degraded = holding;
    degraded.policy.hold = Hold{
        .timeout = 30 * kSecond,
        .revoke = Revoke{.notify = SIGUSR1, .then = {{.signal = SIGTERM, .wait = 5 * kSecond}, {.signal = SIGKILL}}}};
    degraded.state = "degraded";
    degraded.reason = "too many signals were sent; in monitor mode since 12:03:04, apply it again to enforce it";
    Snapshot limited;
    limited.policies = {degraded};
    CHECK_THAT(
        render_policies(policies_to_proto(limited), kPlain),
        Catch::Contains("keep  degraded ") &&
            Catch::Contains("  hold 30s, revoke SIGUSR1 5s SIGTERM 5s SIGKILL, then deny EBUSY  ") &&
            Catch::EndsWith("\n    too many signals were sent; in monitor mode since 12:03:04, apply it again to "
                            "enforce it\n"));
    CHECK_THAT(render_policies(policies_to_proto(limited), kColoured), Catch::Contains("\x1b[31mdegraded\x1b[0m"));
    limited.policies[0].policy.hold->revoke = Revoke{.notify = std::nullopt, .then = {{.signal = SIGKILL}}};
    CHECK_THAT(render_policies(policies_to_proto(limited), kPlain),
               Catch::Contains("  hold 30s, revoke 5s SIGKILL, then deny EBUSY  "));

    CHECK(render_policies(policies_to_proto(snapshot), kPlain) ==
          "NAME  STATE    MATCHED  DID        WOULD HAVE  ACTION                     MATCH               "
          "                            SOURCE\n"
          "keep  pending       12  11 denied  1 denied    deny EBUSY                 truncate "
          "path=/mnt/a,/mnt/b fs=ext4 min_age=5s  /etc/pinwarden/keep.yaml\n"
          "    /mnt/b does not exist yet\n"
          "keep  active         7  5 held     2 held      hold 10s, then deny EBUSY  truncate            "
          "                            /etc/pinwarden/keep.yaml\n"
          "keep  active         7  5 held     2 held      hold 250ms, then allow     truncate            "
          "                            /etc/pinwarden/keep.yaml\n");
    CHECK(render_policies({}, kPlain) == "No policies.\n");
}

TEST_CASE("policies that signal or notify, and every selector there is")
{
    PolicyState signals;
    signals.policy.name = "kill";
    signals.policy.mode = Mode::kEnforce;
    signals.policy.operations = {Operation::kMunmap};
    signals.policy.signal = SignalAction{.target = SignalTarget::kCaller,
                                         .signals = {{.signal = SIGTERM, .wait = 2 * kSecond}, {.signal = SIGKILL}}};
    signals.state = "active";
    signals.counters.matched = 4;
    signals.counters.signalled = 3;
    signals.counters.would_have_signalled = 1;
    PolicyState tells = signals;
    tells.policy.signal.reset();
    tells.policy.notify = true;
    tells.policy.operations = {Operation::kTruncate};
    tells.policy.file.mounts = {"/mnt/a"};
    tells.policy.file.inodes = {{8, 17, 42}};
    tells.policy.pin.long_term = true;
    tells.policy.owner.cgroups = {"/jobs"};
    tells.policy.caller.binaries = {"/usr/bin/rm"};
    tells.policy.caller.containers = {"web"};
    tells.counters = {};
    tells.counters.matched = 2;
    tells.counters.notified = 2;
    tells.policy.source = "grpc";
    signals.policy.source = "grpc";
    Snapshot snapshot;
    snapshot.policies = {signals, tells};
    CHECK_THAT(
        render_policies(policies_to_proto(snapshot), kPlain),
        Catch::StartsWith("NAME  STATE   MATCHED  DID          WOULD HAVE   ACTION ") &&
            Catch::Contains(
                "\nkill  active        4  3 signalled  1 signalled  signal caller SIGTERM 2s SIGKILL  munmap ") &&
            Catch::Contains("\nkill  active        2  2 notified   -            notify ") &&
            Catch::EndsWith(
                "  truncate mount=/mnt/a inode=8:17/42 long_term=true cgroup=/jobs caller.binary=/usr/bin/rm "
                "caller.container=web  grpc\n"));
}

TEST_CASE("JSON has the field names of the API, and defaults")
{
    const v1::ListPinsResponse pins = listed({file_pin(1, 0, 16)});
    const std::string json = to_json(pins, false);
    CHECK(json.find('\n') == std::string::npos);
    CHECK_THAT(json, Catch::Contains(R"("ledger_certain":true)") && Catch::Contains(R"("first_page":"0")") &&
                         Catch::Contains(R"("exited":false)") && Catch::Contains(R"("bytes":"65536")"));
    CHECK_THAT(to_json(pins, true), Catch::Contains("\n "));
}
