// What the loaded programs tell of themselves, and where what they share with the daemon is.
#include "kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pinwarden.skel.h>

#include <map>
#include <string>
#include <utility>

#include "kernel/hook_table.h"
#include "kernel/preemption.h"

namespace pinwarden {
namespace {

// Why a hook that this kernel can have is not attached.
std::string reason_of(const HookEntry& hook, bool attached)
{
    if (hook.attached == Attached::kForFallocations) {
        return std::string(kNoPolicyNeedsIt);
    }
    return attached ? std::string(kEveryPinIsFollowed) : "not attached yet";
}

}  // namespace

std::uint64_t Programs::missed_for_ledger() const
{
    std::uint64_t missed = 0;
    for (std::size_t i = 0; i < kHooks.size(); ++i) {
        missed += is_for_ledger(kHooks.at(i).purpose) ? read_missed(fds_.at(i)) : 0;
    }
    return missed;
}

std::vector<ProgramVerdict> Programs::verdicts() const
{
    std::map<std::string, ProgramVerdict> by_name;
    for (const HookEntry& hook : kHooks) {
        const std::string name(hook.program);
        by_name[name] = {.program = name, .hook = std::string(hook.hook), .purpose = std::string(hook.purpose)};
    }
    const std::scoped_lock lock(links_mutex_);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj)
    {
        const std::string name = bpf_program__name(program);
        const bool second = name.ends_with(kSecond);
        const std::string first = second ? name.substr(0, name.size() - kSecond.size()) : name;
        ProgramVerdict& verdict = by_name[name];
        verdict.program = name;
        verdict.hook = by_name[first].hook;
        verdict.purpose = by_name[first].purpose;
        if (const auto reason = left_out_.find(first); reason != left_out_.end()) {
            verdict.reason = reason->second;
        } else if (bpf_program__fd(program) < 0) {
            verdict.reason = std::string(kNotUsed) + ": nothing preempts programs here";
        } else {
            bpf_prog_info info{};
            __u32 length = sizeof(info);
            if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) == 0) {
                verdict.verified = info.verified_insns;
            }
        }
    }
    std::vector<ProgramVerdict> verdicts;
    for (auto& [name, verdict] : by_name) {
        verdicts.push_back(std::move(verdict));
    }
    return verdicts;
}

std::vector<HookStatus> Programs::hooks() const
{
    const std::scoped_lock lock(links_mutex_);
    std::vector<HookStatus> states;
    for (std::size_t i = 0; i < kHooks.size(); ++i) {
        const HookEntry& hook = kHooks.at(i);
        const std::string name(hook.program);
        HookStatus state{std::string(hook.hook), std::string(hook.purpose), links_.contains(name)};
        state.tracepoint = hook.tracepoint;
        if (const auto reason = left_out_.find(name); reason != left_out_.end()) {
            state.reason = reason->second;
        } else if (!state.attached) {
            state.reason = reason_of(hook, attached_);
        }
        // Also of what is not attached now: what was missed stays so.
        const ProgramRuns counted = read_runs(fds_.at(i));
        state.missed = counted.missed;
        state.runs = counted.runs;
        state.run_time = counted.time;
        if (!states.empty() && states.back().name == state.name) {
            // Another program of the same hook: one that this kernel can have speaks for it.
            HookStatus both = left_out_.contains(name) ? states.back() : state;
            both.missed = states.back().missed + state.missed;
            both.runs = states.back().runs + state.runs;
            both.run_time = states.back().run_time + state.run_time;
            states.back() = std::move(both);
            continue;
        }
        states.push_back(state);
    }
    return states;
}

CaughtCalls Programs::caught_calls() const
{
    const int map = bpf_map__fd(skeleton_->maps.caught);
    return {.ledger = read_caught(map, PW_CAUGHT_LEDGER), .operations = read_caught(map, PW_CAUGHT_OPERATION)};
}

Result<std::array<std::uint64_t, PW_COUNTERS>> Programs::counters() const
{
    return read_counters(bpf_map__fd(skeleton_->maps.counters));
}

std::uint64_t ledger_losses(const std::array<std::uint64_t, PW_COUNTERS>& counters)
{
    std::uint64_t lost = 0;
    for (__u32 counter = 0; counter < PW_COUNTERS; ++counter) {
        lost += pw_affects_ledger(counter) != 0 ? counters.at(counter) : 0;
    }
    return lost;
}

Result<std::array<std::uint64_t, PW_COUNTERS>> read_counters(int map)
{
    const int processors = libbpf_num_possible_cpus();
    if (processors < 0) {
        return std::unexpected(system_error("count the processors", processors));
    }
    std::array<std::uint64_t, PW_COUNTERS> totals{};
    std::vector<std::uint64_t> values(static_cast<std::size_t>(processors));
    for (__u32 counter = 0; counter < PW_COUNTERS; ++counter) {
        const int error = bpf_map_lookup_elem(map, &counter, values.data());
        if (error != 0) {
            return std::unexpected(system_error("read the kernel-side counters", error));
        }
        for (const std::uint64_t value : values) {
            totals.at(counter) += value;
        }
    }
    return totals;
}

std::uint32_t Programs::ring_id() const
{
    bpf_map_info info{};
    __u32 length = sizeof(info);
    return bpf_obj_get_info_by_fd(bpf_map__fd(skeleton_->maps.events), &info, &length) == 0 ? info.id : 0;
}

MapFds Programs::maps() const
{
    return {.events = bpf_map__fd(skeleton_->maps.events),
            .blocks = bpf_map__fd(skeleton_->maps.blocks),
            .file_acks = bpf_map__fd(skeleton_->maps.file_acks),
            .policies = bpf_map__fd(skeleton_->maps.policies),
            .path_prefixes = bpf_map__fd(skeleton_->maps.path_prefixes),
            .callers = bpf_map__fd(skeleton_->maps.callers),
            .pin_verdicts = bpf_map__fd(skeleton_->maps.pin_verdicts),
            .file_pins = bpf_map__fd(skeleton_->maps.file_pins),
            .tasks = bpf_map__fd(skeleton_->maps.tasks),
            .objects = bpf_map__fd(skeleton_->maps.objects),
            .counters = bpf_map__fd(skeleton_->maps.counters),
            .shared = bpf_map__fd(skeleton_->maps.data_shared),
            .holds = bpf_map__fd(skeleton_->maps.holds),
            .hold_releases = bpf_map__fd(skeleton_->maps.hold_releases)};
}

SharedVariables Programs::shared() const
{
    return {.policy_generation = &skeleton_->bss->policy_generation,
            .prefix_count = &skeleton_->bss->prefix_count,
            .files_known = &skeleton_->bss->files_known,
            .files_by_inode = skeleton_->bss->files_by_inode,
            .left_out_by_inode = skeleton_->bss->left_out_by_inode,
            .left_out_by_device = skeleton_->bss->left_out_by_device,
            .left_out = &skeleton_->bss->left_out,
            .cgroups_made = &skeleton_->bss->cgroups_made,
            .cgroups_known = &skeleton_->bss->cgroups_known,
            .ledger_losses = &skeleton_->data_shared->shared.ledger_losses,
            .ledger_losses_mended = &skeleton_->data_shared->shared.ledger_losses_mended,
            .releases_by_folio = &skeleton_->data_shared->shared.releases_by_folio,
            .unfollowed_made = &skeleton_->data_shared->shared.unfollowed_made,
            .unfollowed_gone = &skeleton_->data_shared->shared.unfollowed_gone,
            .unheard = &skeleton_->data_shared->shared.unheard,
            .reader_waits = &skeleton_->data_shared->shared.reader_waits,
            .holds_under_way = &skeleton_->bss->holds_under_way,
            .attended_until = &skeleton_->bss->attended_until,
            .unattended = &skeleton_->bss->unattended};
}

AuditHandles Programs::audit() const
{
    auto& variables = skeleton_->bss->audit;
    return {.read = bpf_program__fd(skeleton_->progs.audit_pages_read),
            .scan = bpf_program__fd(skeleton_->progs.audit_pages_scan),
            .adopt = bpf_program__fd(skeleton_->progs.adopt_pages),
            .record = bpf_program__fd(skeleton_->progs.record_pages),
            .audit_pages = bpf_map__fd(skeleton_->maps.audit_pages),
            .adopted = bpf_map__fd(skeleton_->maps.adopted),
            .first = &variables.first,
            .pages = &variables.pages,
            .folio = &variables.folio,
            .found = &variables.found,
            .looked_at = &variables.looked_at,
            .adopted_pin = &skeleton_->bss->adopted_pin,
            .existing_pin = &skeleton_->bss->existing.pin,
            .existing_address = &skeleton_->bss->existing.address};
}

PageArray Programs::page_array() const
{
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.read_geometry), &options) != 0) {
        return {};
    }
    return {.start = skeleton_->bss->vmemmap_start, .limit = skeleton_->bss->page_limit};
}

}  // namespace pinwarden
