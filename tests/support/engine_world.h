// An engine with everything around it faked, fed with raw records.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/engine.h"
#include "publish/pin_filter.h"
#include "support/engine_surroundings.h"
#include "support/fake_holds.h"
#include "support/fake_owners.h"
#include "support/fake_page_truth.h"
#include "support/fake_policy_store.h"
#include "support/fake_processes.h"
#include "support/fake_signals.h"
#include "support/fake_verdict_sink.h"
#include "support/records.h"

namespace pinwarden::test {

using namespace std::string_view_literals;

class ManualClock final : public Clock {
public:
    Nanoseconds time = 2000;  // just after what the synthetic records say
    [[nodiscard]] Nanoseconds now() const override { return time; }
    [[nodiscard]] Nanoseconds boot_to_unix() const override { return 5; }
};

// Names every address as the given stack does, innermost first.
class FixedNames final : public StackNamer {
public:
    Frame name(std::uint64_t address) override
    {
        return address == raw_pin().stack[0] ? Frame{"pin_user_pages_fast", "", 5}
                                             : Frame{"rxe_mr_init_user", "rdma_rxe", 0x4f};
    }
};

// One cgroup, that of raw_task(), as long as it exists.
class FixedCgroups final : public CgroupNamer {
public:
    bool gone = false;
    std::string path(std::uint64_t id) override { return id == raw_task().cgroup && !gone ? "/jobs/one" : ""; }
};

// The pipeline with everything around it faked, fed with raw records.
struct World {
    ManualClock clock;
    FakeVerdictSink sink;
    FakeHolds holds;
    Happenings happenings;
    FakeSignals signals{happenings};
    FakeAuditLog audit_log{happenings};
    FakePathResolver paths;
    FakePolicyStore store;
    FakePageTruth truth;
    FakeProcesses processes;
    FakeOwners owners;
    FixedNames names;
    FixedCgroups cgroups;
    Fanout fanout{4, 64};
    std::vector<std::string> warnings;
    std::uint64_t memory = 0;  // that the daemon is said to use
    Bytes on_its_way;
    Engine engine{surroundings_of(*this, sink, &store),
                  kGeometry,
                  "6.1.0-test",
                  {.leak_after = 5'000'000'000, .long_lived_after = 3'000'000'000}};

    World() { REQUIRE(engine.apply({}, false).has_value()); }

    template <typename T>
    void feed(const T& record)
    {
        engine.step(bytes_of(record));
    }

    // A pin of pages 100..111 on file pages 3..14.
    void pin_file()
    {
        engine.step(file_record("x\0data\0mnt\0"sv));
        feed(raw_pin());
        feed(raw_range());
        std::vector<std::uint64_t> addresses;
        for (PageNumber page = 100; page < 112; ++page) {
            addresses.push_back(page_address(page));
        }
        engine.step(pages_record(5, 0, addresses));
        engine.flush();
    }

    void finish_audits()
    {
        while (const auto next = engine.next_audit_step()) {
            clock.time = std::max(clock.time, *next);
            engine.step_audit();
        }
    }

    static pw_operation truncate(pw_verdict verdict, std::uint32_t slot_plus_one, std::uint32_t generation)
    {
        pw_operation operation = raw_operation();
        operation.verdict = verdict;
        operation.matched = slot_plus_one == 0 ? 0 : 1ULL << (slot_plus_one - 1);
        operation.policy = slot_plus_one;
        operation.error = slot_plus_one == 0 ? 0 : -16;
        operation.generation = generation;
        operation.unresolved = 0;
        return operation;
    }
};

}  // namespace pinwarden::test
