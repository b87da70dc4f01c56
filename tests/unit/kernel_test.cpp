#include <catch2/catch.hpp>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/cgroup_tree.h"
#include "kernel/kallsyms.h"
#include "kernel/privileges.h"

using namespace pinwarden;

namespace {

SymbolTable symbol_table(std::string_view text, std::string_view modules = {})
{
    SymbolTable table;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        table.add_line(line);
    }
    table.finish(parse_module_ends(modules));
    return table;
}

}  // namespace

TEST_CASE("kallsyms: functions only, with their modules, by address", "[kernel]")
{
    const auto symbols = symbol_table(
        "ffffffff81000200 t late\n"
        "ffffffff81000000 T _stext\n"
        "ffffffff81000180 D some_data\n"
        "not a line\n"
        "ffffffffc0001000 t rxe_reg_user_mr\t[rdma_rxe]\n"
        "ffffffffc0003000 t ib_umem_get\t[ib_uverbs]\n"
        "ffffffffc0001100 t rxe_dereg_mr\t[rdma_rxe]\n"
        "ffffffff81000100 W weak_one",
        "rdma_rxe 8192 0 - Live 0xffffffffc0001000\n");
    const auto name_of = [&symbols](std::uint64_t address) {
        const auto symbol = symbols.find(address);
        return symbol ? std::string(symbol->name) + " " + std::string(symbol->module) : "none";
    };
    CHECK(name_of(0xffffffff80ffffff) == "none");
    CHECK(name_of(0xffffffff81000000) == "_stext ");
    CHECK(name_of(0xffffffff810000ff) == "_stext ");
    CHECK(name_of(0xffffffff81000190) == "weak_one ");
    CHECK(name_of(0xffffffff81000200) == "late ");
    CHECK(name_of(0xffffffffc0001000) == "rxe_reg_user_mr rdma_rxe");
    CHECK(name_of(0xffffffffc0002fff) == "rxe_dereg_mr rdma_rxe");
    CHECK(name_of(0xffffffffc0003001) == "ib_umem_get ib_uverbs");
    CHECK(symbols.find(0xffffffffc0003001)->address == 0xffffffffc0003000);
}

TEST_CASE("kallsyms: behind a module's end nothing has its last function's name", "[kernel]")
{
    const auto symbols =
        symbol_table("ffffffffc0001000 t rxe_reg_user_mr\t[rdma_rxe]\n", "rdma_rxe 8192 0 - Live 0xffffffffc0001000\n");
    CHECK(symbols.find(0xffffffffc0002fff));
    CHECK_FALSE(symbols.find(0xffffffffc0003000));
}

TEST_CASE("kallsyms: hidden addresses give no symbols rather than wrong ones", "[kernel]")
{
    CHECK(symbol_table("0000000000000000 T _stext\n0000000000000000 t other\n").empty());
    CHECK(symbol_table("").empty());
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
    CHECK_FALSE(check_capabilities(status("000000c000000000")).has_value());  // CAP_PERFMON and CAP_BPF
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
    CHECK(cgroup_mountpoints(others).empty());
    CHECK(cgroup_mountpoints("").empty());
    CHECK(cgroup_mountpoints(others + "31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 master:2 - cgroup2 c rw\n" +
                             "40 1 0:27 / /elsewhere rw - cgroup2 c rw\n") ==
          std::vector<std::string>{"/sys/fs/cgroup/unified", "/elsewhere"});
}
