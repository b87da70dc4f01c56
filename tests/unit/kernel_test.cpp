#include <catch2/catch.hpp>

#include "kernel/cgroups.h"
#include "kernel/kallsyms.h"
#include "kernel/privileges.h"

using namespace pinwarden;

TEST_CASE("kallsyms: functions only, with their modules, by address", "[kernel]")
{
    const auto symbols = parse_kallsyms(
        "ffffffff81000200 t late\n"
        "ffffffff81000000 T _stext\n"
        "ffffffff82000000 D some_data\n"
        "not a line\n"
        "ffffffffc0001000 t rxe_reg_user_mr\t[rdma_rxe]\n"
        "ffffffff81000100 W weak_one");
    REQUIRE(symbols.size() == 4);
    CHECK(symbols[0].name == "_stext");
    CHECK(symbols[1].name == "weak_one");
    CHECK(symbols[2].name == "late");
    CHECK(symbols[3].name == "rxe_reg_user_mr");
    CHECK(symbols[3].module == "rdma_rxe");
    CHECK(symbols[0].module.empty());
}

TEST_CASE("kallsyms: hidden addresses give no symbols rather than wrong ones", "[kernel]")
{
    CHECK(parse_kallsyms("0000000000000000 T _stext\n0000000000000000 t other\n").empty());
    CHECK(parse_kallsyms("").empty());
}

TEST_CASE("modules: where they end, so that what lies behind is not taken for theirs", "[kernel]")
{
    const auto ends = parse_module_ends(
        "rdma_rxe 135168 0 - Live 0xffffffffc04db000\n"
        "ib_core 442368 2 rdma_rxe,ib_uverbs, Live 0xffffffffc0443000 (OE)\n"
        "hidden 4096 0 - Live 0x0000000000000000\n"
        "not a line\n");
    REQUIRE(ends.size() == 2);
    CHECK(ends.at("rdma_rxe") == 0xffffffffc04db000 + 135168);
    CHECK(ends.at("ib_core") == 0xffffffffc0443000 + 442368);
}

TEST_CASE("capabilities: what is enough to load tracing programs", "[kernel]")
{
    const auto status = [](const char* mask) { return std::string("Name:\tx\nCapEff:\t") + mask + "\n"; };
    CHECK(check_capabilities(status("000001ffffffffff")).has_value());
    CHECK(check_capabilities(status("0000000000200000")).has_value());        // CAP_SYS_ADMIN
    CHECK(check_capabilities(status("000000c000000000")).has_value());        // CAP_PERFMON and CAP_BPF
    CHECK_FALSE(check_capabilities(status("0000008000000000")).has_value());  // CAP_BPF alone
    const auto none = check_capabilities(status("0000000000000000"));
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().message.find("CAP_BPF") != std::string::npos);
    CHECK_FALSE(check_capabilities("nothing here").has_value());
}

TEST_CASE("lockdown: only confidentiality forbids reading kernel memory", "[kernel]")
{
    CHECK(check_lockdown("").has_value());
    CHECK(check_lockdown("[none] integrity confidentiality\n").has_value());
    CHECK(check_lockdown("none [integrity] confidentiality\n").has_value());
    const auto locked = check_lockdown("none integrity [confidentiality]\n");
    REQUIRE_FALSE(locked.has_value());
    CHECK(locked.error().message.find("lockdown") != std::string::npos);
}

TEST_CASE("the cgroup v2 tree is found among the mounts", "[kernel]")
{
    const std::string others =
        "22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n"
        "30 25 0:26 / /sys/fs/cgroup ro - tmpfs cgroup2 ro,mode=755\n"
        "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "a line that is none\n";
    CHECK(cgroup_mountpoint(others).empty());
    CHECK(cgroup_mountpoint("").empty());
    CHECK(cgroup_mountpoint(others + "31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 master:2 - cgroup2 c rw\n" +
                            "40 1 0:27 / /elsewhere rw - cgroup2 c rw\n") == "/sys/fs/cgroup/unified");
}
