// The engine with nothing around it that costs time: no kernel to tell, nobody to signal, nothing to write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "act/no_effect.h"
#include "app/engine.h"
#include "support/engine_surroundings.h"
#include "support/fake_holds.h"
#include "support/fake_owners.h"
#include "support/fake_page_truth.h"
#include "support/fake_processes.h"
#include "support/fake_signals.h"
#include "support/fake_verdict_sink.h"
#include "support/records.h"
#include "support/test_clock.h"

namespace pinwarden::bench {

// Counts what it is told, and forgets it.
class QuietVerdicts final : public NoVerdicts {
public:
    std::uint64_t acknowledged = 0;
    std::uint64_t untracked_runs = 0;

    Result<void> acknowledge(const FileKey& /*file*/, const FileState& /*state*/, std::uint64_t /*policies*/,
                             std::uint32_t /*generation*/) override
    {
        ++acknowledged;
        return {};
    }
    void untrack(const std::vector<PageRun>& pages) override { untracked_runs += pages.size(); }
};

// Names every address as raw_pin()'s stack does. The daemon's own looks it up in the kernel's list of symbols.
class TwoNames final : public StackNamer {
public:
    Frame name(std::uint64_t address) override
    {
        return address == test::raw_pin().stack[0] ? Frame{"pin_user_pages_fast", "", 5}
                                                   : Frame{"rxe_mr_init_user", "rdma_rxe", 0x4f};
    }
};

class OneCgroup final : public CgroupNamer {
public:
    std::string path(std::uint64_t /*id*/) override { return "/jobs/one"; }
};

struct QuietWorld {
    test::TestClock clock;
    QuietVerdicts verdicts;
    FakeHolds holds;
    test::Happenings happenings;
    test::FakeSignals signals{happenings};
    NoAuditLog audit_log;
    FakePathResolver paths;
    test::FakePageTruth truth;
    test::FakeProcesses processes;
    test::FakeOwners owners;
    TwoNames names;
    OneCgroup cgroups;
    Fanout fanout{4, 64};
    std::vector<std::string> warnings;
    Engine engine{test::surroundings_of(*this, verdicts, nullptr), test::kGeometry, "bench"};
};

}  // namespace pinwarden::bench
