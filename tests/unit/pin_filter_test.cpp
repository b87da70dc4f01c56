#include "publish/pin_filter.h"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

PinView shown_pin()
{
    PinView pin = file_pin(1, 0, 16);
    pin.pin.owner.names =
        std::make_shared<const TaskNames>(TaskNames{"/usr/bin/trainer", false, "/jobs/train/1", "c0ffee"});
    pin.pin.owner_exited = pin.pin.leak = true;
    return pin;
}

bool lists(const std::function<void(v1::PinFilter&)>& choose)
{
    v1::ListPinsRequest request;
    choose(*request.mutable_filter());
    return listed({shown_pin()}, request).pins_size() == 1;
}

bool tells(const Notice& notice, const std::function<void(v1::PinFilter&)>& choose)
{
    v1::PinFilter filter;
    choose(filter);
    return filter_from_request(filter).value().matches(notice);
}

}  // namespace

TEST_CASE("each part of a filter takes what it names, and nothing else")
{
    struct Row {
        const char* part;
        std::function<void(v1::PinFilter&)> takes;
        std::function<void(v1::PinFilter&)> leaves;
    };
    const Row rows[] = {
        {"nothing", [](auto&) {}, [](auto& f) { f.add_pids(1); }},
        {"pid",
         [](auto& f) {
             f.add_pids(812);
             f.add_pids(1);
         },
         [](auto& f) { f.add_pids(813); }},
        {"uid", [](auto& f) { f.add_uids(1000); }, [](auto& f) { f.add_uids(0); }},
        {"comm", [](auto& f) { f.add_comms("rdma-demo"); }, [](auto& f) { f.add_comms("rdma"); }},
        {"driver", [](auto& f) { f.add_drivers("rdma_rxe"); }, [](auto& f) { f.add_drivers("vfio"); }},
        {"backing", [](auto& f) { f.add_backings("file"); }, [](auto& f) { f.add_backings("shmem"); }},
        {"container", [](auto& f) { f.add_containers("c0ffee"); }, [](auto& f) { f.add_containers("c0"); }},
        {"cgroup", [](auto& f) { f.add_cgroups("/jobs/train/"); }, [](auto& f) { f.add_cgroups("/jobs/tra"); }},
        {"cgroup root", [](auto& f) { f.add_cgroups("/"); }, [](auto& f) { f.add_cgroups("/jobs/train/1/2"); }},
        {"path", [](auto& f) { f.add_path_prefixes("/mnt/data/x"); }, [](auto& f) { f.add_path_prefixes("/mnt/dat"); }},
        {"folder", [](auto& f) { f.add_path_prefixes("/mnt/"); },
         [](auto& f) { f.add_path_prefixes("/mnt/data/x/y"); }},
        {"inode", [](auto& f) { f.add_inodes("253:1/12"); }, [](auto& f) { f.add_inodes("253:2/12"); }},
        {"symbol", [](auto& f) { f.set_symbol("ib_umem_get"); }, [](auto& f) { f.set_symbol("ib_umem"); }},
        {"size", [](auto& f) { f.set_min_bytes(65536); }, [](auto& f) { f.set_min_bytes(65537); }},
        {"age", [](auto& f) { f.mutable_min_age()->set_seconds(120); },
         [](auto& f) { f.mutable_min_age()->set_seconds(121); }},
        {"long-term", [](auto& f) { f.set_long_term(true); }, [](auto& f) { f.set_long_term(false); }},
        {"all",
         [](auto& f) {
             f.add_pids(812);
             f.set_orphans(true);
             f.set_leaks(true);
         },
         [](auto& f) {
             f.add_pids(812);
             f.add_uids(5);
         }},
    };
    for (const Row& row : rows) {
        INFO(row.part);
        CHECK(lists(row.takes));
        CHECK_FALSE(lists(row.leaves));
    }
}

TEST_CASE("owners that live are no orphans, and orphans need not be leaks")
{
    PinView alive = file_pin(1, 0, 1);
    PinView orphan = file_pin(2, 10, 1);
    orphan.pin.owner_exited = true;
    v1::ListPinsRequest request;
    request.mutable_filter()->set_orphans(true);
    REQUIRE(listed({alive, orphan}, request).pins_size() == 1);
    CHECK(listed({alive, orphan}, request).pins(0).id() == 2);
    request.mutable_filter()->set_leaks(true);
    CHECK(listed({alive, orphan}, request).pins().empty());
}

TEST_CASE("every kind of event is told to who asks for such pins, and to nobody else")
{
    const std::vector<std::pair<const char*, Notice>> notices{
        {"pin", pinned_notice(1)},
        {"release", {.time = 10 * kSecond, .boot_to_unix = 0, .what = ReleasedNotice{.pin = file_pin(1, 0, 1)}}},
        {"orphan", {.time = 10 * kSecond, .boot_to_unix = 0, .what = OrphanedNotice{file_pin(1, 0, 1)}}},
        {"leak", {.time = 10 * kSecond, .boot_to_unix = 0, .what = LeakNotice{file_pin(1, 0, 1)}}},
        {"failure", {.time = 20 * kSecond, .boot_to_unix = 0, .what = FailedNotice{failed_pin(EFAULT)}}},
        {"conflict", conflict_notice(PW_VERDICT_DENY, "keep")},
        {"invalidation", invalidation_notice()},
        {"hold", hold_ended_notice("allowed")},
        {"signal", signal_notice(ActOutcome::kSent)},
        {"revocation", revocation_notice(RevocationEnd::kReleased, {released_victim(812)})},
    };
    for (const auto& [kind, notice] : notices) {
        INFO(kind);
        CHECK(tells(notice, [](auto& f) { f.add_pids(812); }));
        CHECK(tells(notice, [](auto& f) { f.add_drivers("rdma_rxe"); }));
        CHECK(tells(notice, [](auto& f) { f.add_comms("rdma-demo"); }));
        CHECK_FALSE(tells(notice, [](auto& f) { f.add_pids(900); }));
        CHECK_FALSE(tells(notice, [](auto& f) { f.add_drivers("vfio"); }));
        CHECK_FALSE(tells(notice, [](auto& f) { f.set_min_bytes(1U << 30U); }));
        const bool has_file = std::string(kind) != "failure";
        CHECK(tells(notice, [](auto& f) { f.add_path_prefixes("/mnt/data"); }) == has_file);
        CHECK_FALSE(tells(notice, [](auto& f) { f.add_path_prefixes("/srv"); }));
    }
}
