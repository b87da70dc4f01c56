#include "app/losses.h"

#include <string_view>

namespace pinwarden {
namespace {

struct Cause {
    pw_counter counter;
    std::string_view name;
    bool affects_ledger;
};

constexpr std::array kCauses = {
    Cause{PW_LOST_PIN, "ring_full_pin", true},
    Cause{PW_LOST_RANGE, "ring_full_range", true},
    Cause{PW_LOST_PAGES, "ring_full_pages", true},
    Cause{PW_LOST_RELEASE, "ring_full_release", true},
    Cause{PW_LOST_FILE, "ring_full_file", false},
    Cause{PW_LOST_OPERATION, "ring_full_operation", false},
    Cause{PW_LOST_EXIT, "ring_full_exit", false},
    Cause{PW_LOST_FILE_STATE, "file_table_full", true},
    Cause{PW_LOST_TASK, "task_table_full", true},
    Cause{PW_LOST_OWNER, "owner_table_full", false},
    Cause{PW_DOUBT_RANGE_CUT, "ranges_cut", true},
    Cause{PW_DOUBT_PATH_CUT, "path_cut", false},
    Cause{PW_LOST_EXECUTABLE, "ring_full_executable", false},
    Cause{PW_LOST_RENAME, "ring_full_rename", false},
};

}  // namespace

std::vector<LossState> list_losses(const KernelCounters& kernel, const DaemonLosses& daemon)
{
    std::vector<LossState> losses;
    losses.reserve(kCauses.size() + 3);
    for (const Cause& cause : kCauses) {
        losses.push_back({std::string(cause.name), kernel.at(cause.counter), cause.affects_ledger});
    }
    losses.push_back({"missed_run", daemon.missed_runs, true});
    losses.push_back({"undecodable", daemon.undecodable, true});
    losses.push_back({"subscriber_slow", daemon.subscriber_dropped, false});
    return losses;
}

std::uint64_t ledger_losses(const std::vector<LossState>& losses)
{
    std::uint64_t total = 0;
    for (const LossState& loss : losses) {
        total += loss.affects_ledger ? loss.count : 0;
    }
    return total;
}

}  // namespace pinwarden
