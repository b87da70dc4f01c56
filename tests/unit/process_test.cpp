#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "app/owner_check.h"
#include "proc/holder_search.h"
#include "proc/page_owners.h"
#include "proc/process_stat.h"
#include "support/fake_processes.h"
#include "support/ledgers.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

const std::string kStat = " S 1 812 812 0 -1 4194560 89 0 0 0 1 2 0 0 20 0 3 0 4711 2000 300 18446744073709551615";

}  // namespace

TEST_CASE("a process' stat is read whatever its name", "[proc]")
{
    for (const std::string comm : {"plain", "a b", ") R 1 (", ""}) {
        INFO(comm);
        const auto stat = parse_process_stat(std::string("812 (").append(comm).append(")").append(kStat).append("\n"));
        REQUIRE(stat);
        CHECK(stat->comm == comm);
        CHECK(stat->state == 'S');
        CHECK(stat->threads == 3);
        CHECK(stat->start_ticks == 4711);
        CHECK(stat->parent == 1);
        CHECK_FALSE(stat->kernel_thread());
        CHECK_FALSE(stat->exiting());
        CHECK_FALSE(stat->dead());
    }
    for (const std::string bad : {"", "812", "812 (x", "812 (x) S", "812 (x) S 1 2 3"}) {
        INFO(bad);
        CHECK_FALSE(parse_process_stat(bad));
    }
}

TEST_CASE("a process is dead when no thread of it is left", "[proc]")
{
    CHECK(ProcessStat{.comm = "", .state = 'Z', .threads = 1, .start_ticks = 0}.dead());
    // Its first thread has ended, others go on.
    CHECK_FALSE(ProcessStat{.comm = "", .state = 'Z', .threads = 2, .start_ticks = 0}.dead());
    CHECK_FALSE(ProcessStat{.comm = "", .state = 'S', .threads = 1, .start_ticks = 0}.dead());
}

TEST_CASE("flags tell a kernel thread, and a thread on its way out", "[proc]")
{
    const std::string rest = " 89 0 0 0 1 2 0 0 20 0 1 0 4711 2000 300";
    const auto stat = [&](const std::string& flags) {
        return parse_process_stat("2 (x) S 0 0 0 0 -1 " + flags + rest).value();
    };
    CHECK(stat("2129984").kernel_thread());
    CHECK_FALSE(stat("2129984").exiting());
    CHECK(stat("4195588").exiting());
    CHECK_FALSE(stat("4195588").kernel_thread());
}

TEST_CASE("the user is the effective one", "[proc]")
{
    const std::string status = "Name:\tx\nUmask:\t0022\nUid:\t1000\t1001\t0\t0\nGid:\t5\t6\t7\t8\n";
    CHECK(parse_id(status, "Uid") == 1001U);
    CHECK(parse_id(status, "Gid") == 6U);
    CHECK_FALSE(parse_id("Name:\tUid:\n", "Uid"));
    CHECK(parse_cgroup("1:name=x:/a\n0::/b.slice/c\n") == "/b.slice/c");
    CHECK_FALSE(parse_cgroup("1:name=x:/a\n"));
}

TEST_CASE("this process is found in /proc", "[proc]")
{
    const auto stat = read_process_stat(static_cast<std::uint32_t>(getpid()));
    REQUIRE(stat);
    CHECK_FALSE(stat->dead());
    CHECK(read_uid(static_cast<std::uint32_t>(getpid())) == geteuid());
    const auto all = list_processes();
    CHECK(std::ranges::find(all, static_cast<std::uint32_t>(getpid())) != all.end());
    CHECK(read_process_stat(0x7fffffff).error().code == ENOENT);
}

TEST_CASE("what a file can hold is told by its link", "[proc]")
{
    const auto none = [] { return std::string(); };
    const auto xdp = [] { return std::string("XDP"); };
    const std::pair<const char*, pw_scope_kind> rows[] = {{"anon_inode:[io_uring]", PW_SCOPE_IO_URING_BUFFER},
                                                          {"/dev/infiniband/uverbs0", PW_SCOPE_RDMA_REGION},
                                                          {"/dev/vfio/vfio", PW_SCOPE_VFIO_MAPPING},
                                                          {"/dev/vfio/12", PW_SCOPE_VFIO_MAPPING},
                                                          {"/dev/iommu", PW_SCOPE_VFIO_MAPPING},
                                                          {"/dev/null", PW_SCOPE_NONE},
                                                          {"socket:[5]", PW_SCOPE_NONE},
                                                          {"/tmp/socket:", PW_SCOPE_NONE},
                                                          {"anon_inode:[eventfd]", PW_SCOPE_NONE},
                                                          {"", PW_SCOPE_NONE}};
    for (const auto& [link, kind] : rows) {
        INFO(link);
        CHECK(kind_of_file(link, none) == kind);
    }
    CHECK(kind_of_file("socket:[5]", xdp) == PW_SCOPE_XDP_UMEM);
    CHECK(kind_of_file("/dev/null", xdp) == PW_SCOPE_NONE);
}

TEST_CASE("an owner whose exit nobody reported is found gone, at the second look", "[proc]")
{
    Ledger ledger;
    FakeProcesses processes;
    for (PinId id = 1; id <= 3; ++id) {
        auto event = pin_event(id, 1);
        event.owner.process = {static_cast<std::uint32_t>(id), 7};
        ledger.pin(event, "vfio");
    }
    OwnerCheck check(processes);
    CHECK(check.look(ledger, 100).empty());
    processes.dead.insert({2, 7});
    CHECK(check.look(ledger, 200).empty());
    CHECK(check.look(ledger, 201).empty());

    SECTION("it is")
    {
        CHECK(check.look(ledger, 200 + OwnerCheck::kBelieveAfter) == std::vector<ProcessId>{{2, 7}});
    }
    SECTION("it is not after all")
    {
        processes.dead.clear();
        CHECK(check.look(ledger, 200 + OwnerCheck::kBelieveAfter).empty());
    }
}

TEST_CASE("of many owners a few are looked at each time, and all in turn", "[proc]")
{
    Ledger ledger;
    FakeProcesses processes;
    constexpr std::uint32_t kOwners = 3 * OwnerCheck::kAtOnce + 5;
    for (std::uint32_t pid = 1; pid <= kOwners; ++pid) {
        auto event = pin_event(pid, 1);
        event.owner.process = {pid, 7};
        ledger.pin(event, "vfio");
    }
    OwnerCheck check(processes);
    for (int i = 0; i < 4; ++i) {
        const std::size_t before = processes.asked;
        check.look(ledger, 1);
        CHECK(processes.asked - before <= OwnerCheck::kAtOnce);
    }
    CHECK(processes.asked == kOwners);
}

TEST_CASE("mappings and page tables are read as /proc writes them", "[proc]")
{
    CHECK(parse_maps("7f01c000-7f01e000 rw-s 00002000 fd:01 4711                     /mnt/a b\n"
                     "garbage\n"
                     "7ffe000-7fff000 rw-p 00000000 00:00 0\n") ==
          std::vector<MappedRange>{{0x7f01c000, 0x7f01e000, 4711, 0xfdU << 20U | 1U}, {0x7ffe000, 0x7fff000, 0, 0}});
    CHECK(mapped_page(1ULL << 63U | 1ULL << 61U | 4711) == 4711U);
    CHECK_FALSE(mapped_page(4711));         // swapped out, or nothing there
    CHECK_FALSE(mapped_page(1ULL << 63U));  // hidden from those who may not know
}

TEST_CASE("an owner is inferred from the one process that comes into question", "[proc]")
{
    CHECK(choose_owner({{7, true}}) == 7U);
    CHECK(choose_owner({{7, false}}) == 7U);
    CHECK(choose_owner({{6, false}, {7, true}, {8, false}}) == 7U);
    CHECK_FALSE(choose_owner({{6, false}, {7, false}}));
    CHECK_FALSE(choose_owner({{6, true}, {7, true}}));
    CHECK_FALSE(choose_owner({}));
}
