#include "app/losses.h"

#include <string_view>

namespace pinwarden {
namespace {

struct Cause {
    pw_counter counter;
    std::string_view name;
};

constexpr std::array kCauses = {
    Cause{PW_LOST_PIN, "ring_full_pin"},
    Cause{PW_LOST_RANGE, "ring_full_range"},
    Cause{PW_LOST_PAGES, "ring_full_pages"},
    Cause{PW_LOST_RELEASE, "ring_full_release"},
    Cause{PW_LOST_FILE, "ring_full_file"},
    Cause{PW_LOST_OPERATION, "ring_full_operation"},
    Cause{PW_LOST_EXIT, "ring_full_exit"},
    Cause{PW_LOST_FILE_STATE, "file_table_full"},
    Cause{PW_LOST_TASK, "task_table_full"},
    Cause{PW_LOST_OWNER, "owner_table_full"},
    Cause{PW_DOUBT_RANGE_CUT, "ranges_cut"},
    Cause{PW_DOUBT_PATH_CUT, "path_cut"},
    Cause{PW_LOST_EXECUTABLE, "ring_full_executable"},
    Cause{PW_LOST_RENAME, "ring_full_rename"},
    Cause{PW_LOST_INVALIDATION, "ring_full_invalidation"},
    Cause{PW_LOST_SPACE, "space_table_full"},
    Cause{PW_LOST_NOTIFIER, "ring_full_notifier"},
    Cause{PW_LOST_HOLD_END, "ring_full_hold_end"},
    Cause{PW_LOST_USER_STACK, "ring_full_user_stack"},
};

}  // namespace

MissedCalls count_missed(const std::vector<HookStatus>& hooks, const CaughtCalls& caught,
                         const std::vector<HookStatus>& owners)
{
    const auto less = [](std::uint64_t missed, std::uint64_t made_good) {
        return missed > made_good ? missed - made_good : 0;
    };
    MissedCalls calls;
    for (const HookStatus& hook : hooks) {
        (is_for_ledger(hook.purpose) ? calls.ledger : calls.reports) += hook.missed;
    }
    calls.ledger = less(calls.ledger, caught.ledger);
    calls.reports = less(calls.reports, caught.operations);
    for (const HookStatus& owner : owners) {
        calls.ledger += less(owner.missed, owner.caught);
    }
    return calls;
}

std::vector<LossState> list_losses(const KernelCounters& kernel, const DaemonLosses& daemon)
{
    std::vector<LossState> losses;
    losses.reserve(kCauses.size() + 7);
    for (const Cause& cause : kCauses) {
        losses.push_back({std::string(cause.name), kernel.at(cause.counter), pw_affects_ledger(cause.counter) != 0});
    }
    losses.push_back({"missed_run", daemon.missed_runs, true});
    losses.push_back({"missed_report", daemon.missed_reports, false});
    losses.push_back({"undecodable", daemon.undecodable, true});
    losses.push_back({"switched_off", daemon.switched_off, true});
    losses.push_back({"memory_limit", daemon.memory_limit, true});
    losses.push_back({"notifier_table_full", daemon.notifiers_left_out, false});
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
