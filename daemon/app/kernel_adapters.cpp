#include "app/kernel_adapters.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "proc/stopped_process.h"

namespace pinwarden {
namespace {

pw_file_key raw(const FileKey& file)
{
    return {.inode = file.inode, .device = file.device, .generation = file.generation};
}

FileKey file_of(const pw_file_key& key)
{
    return {key.inode, key.device, key.generation};
}

AcknowledgedRange acknowledged(const FileState& state)
{
    return {.sequence = state.sequence, .first_page = state.first_page, .end_page = state.end_page};
}

pw_pin_verdict_key verdict_key(const FileKey& file, std::uint32_t slot, std::uint32_t generation)
{
    return {.file = raw(file), .slot = slot, .table = generation & 1U};
}

// Whether an enforcing policy is about operations that only the permission hook can fail.
bool decides_fallocations(const pw_policy_table& table)
{
    constexpr std::uint32_t kHooked = 1U << PW_OPERATION_TRUNCATE | 1U << PW_OPERATION_UMOUNT;
    return std::ranges::any_of(std::span(table.policy).first(table.count), [](const pw_policy& policy) {
        return (policy.flags & PW_POLICY_IN_USE) != 0 && (policy.flags & PW_POLICY_ENFORCE) != 0 &&
               (policy.operations & ~kHooked) != 0;
    });
}

bool keeps(const pw_policy_table& table)
{
    return std::ranges::any_of(std::span(table.policy).first(table.count), [](const pw_policy& policy) {
        constexpr std::uint32_t kAll = PW_POLICY_IN_USE | PW_POLICY_ENFORCE | PW_POLICY_KEEP;
        return (policy.flags & kAll) == kAll;
    });
}

}  // namespace

Result<void> KernelVerdicts::install(const CompiledPolicies& policies, std::uint32_t generation)
{
    VerdictMaps::Selected selected;
    for (const auto& [directory, slots] : policies.prefixes) {
        selected.prefixes.emplace_back(pw_prefix_key{.inode = directory.inode, .device = directory.device, .table = 0},
                                       slots);
    }
    for (const auto& [caller, slots] : policies.callers) {
        pw_caller_key key{};
        key.number = caller.number;
        key.device = caller.device;
        key.kind = static_cast<__u32>(caller.kind);
        caller.name.copy(key.name, sizeof(key.name) - 1);
        selected.callers.emplace_back(key, slots);
    }
    // There before the first policy that needs it is in force, and until the last one is not.
    const bool needed = decides_fallocations(policies.table);
    if (auto attached = needed ? programs_.decide_fallocations(true) : Result<void>(); !attached) {
        return attached;
    }
    const bool kept = keeps(policies.table);
    if (auto keeping = kept ? programs_.keep(true) : Result<void>(); !keeping) {
        return std::unexpected(keeping.error().within("when_unattended: keep"));
    }
    if (auto installed = maps_.install(policies.table, std::move(selected), generation); !installed) {
        return installed;
    }
    if (auto left = kept ? Result<void>() : programs_.keep(false); !left) {
        return left;
    }
    return needed ? Result<void>() : programs_.decide_fallocations(false);
}

Result<void> KernelVerdicts::acknowledge(const FileKey& file, const FileState& state, std::uint64_t policies,
                                         std::uint32_t generation)
{
    return maps_.acknowledge(raw(file), state.complete ? acknowledged(state) : AcknowledgedRange(), policies,
                             generation);
}

Result<void> KernelVerdicts::set_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation,
                                             const FileState& state)
{
    return maps_.set_pin_verdict(
        verdict_key(file, slot, generation),
        {.sequence = state.sequence, .first_page = state.first_page, .end_page = state.end_page});
}

Result<void> KernelVerdicts::clear_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation)
{
    return maps_.clear_pin_verdict(verdict_key(file, slot, generation));
}

bool KernelFiles::may_be_left_out(const FileKey& file) const
{
    return maps_.may_be_left_out(raw(file));
}

bool KernelFiles::has(const FileKey& file) const
{
    return maps_.has(raw(file));
}

std::vector<FileKey> KernelFiles::next(std::size_t most)
{
    const auto keys = maps_.next(most);
    std::vector<FileKey> files;
    files.reserve(keys.size());
    std::ranges::transform(keys, std::back_inserter(files), file_of);
    return files;
}

Result<void> KernelFiles::remove(const FileKey& file)
{
    return maps_.remove(raw(file));
}

Result<bool> KernelFiles::enter(const FileKey& file, const FileState& state)
{
    return maps_.enter(raw(file), acknowledged(state));
}

void KernelVerdicts::untrack(const std::vector<PageRun>& pages)
{
    constexpr std::uint64_t kBlock = 1U << PW_BLOCK_PAGES_SHIFT;
    for (const PageRun& run : pages) {
        // Block by block: the base of the page array is a multiple of a block's, so page numbers divide like addresses.
        for (std::uint64_t done = 0; done < run.count;) {
            const PageNumber page = run.first + done;
            const std::uint64_t here = std::min(run.count - done, kBlock - page % kBlock);
            maps_.untrack(geometry_.vmemmap_base + page * geometry_.struct_page_bytes, here);
            done += here;
        }
    }
}

std::optional<std::string> KernelHolds::attend(Nanoseconds until)
{
    std::optional<std::string> why_not;
    if (!knows_pids_) {
        why_not =
            "the daemon runs in a pid namespace of its own and cannot continue callers from there; start it in the "
            "initial one";
    } else if (!guardian_.alive()) {
        why_not = "the guardian is gone, which continues who is held should this daemon be killed; restart the daemon";
    }
    table_.attend(why_not ? 0 : until);
    return why_not;
}

std::vector<HeldOperation> KernelHolds::list()
{
    std::vector<HeldOperation> all;
    for (const pw_hold& hold : table_.list()) {
        auto event = decoder_.decode(std::as_bytes(std::span(&hold.operation, 1)));
        auto* operation = event ? std::get_if<OperationEvent>(&*event) : nullptr;
        // One that is being filled, or emptied, is looked at the next time.
        if (operation != nullptr) {
            all.push_back({hold.hold, hold.since, hold.deadline, hold.asked, std::move(*operation)});
        }
    }
    return all;
}

Result<void> KernelHolds::release(std::uint64_t id, Outcome outcome)
{
    return table_.release(id, outcome == Outcome::kAllow ? PW_HOLD_RELEASE_ALLOW : PW_HOLD_RELEASE_DENY);
}

void KernelHolds::resume(const ProcessId& process)
{
    // One that is gone needs no continuing; what is known of it goes when it is looked at again.
    [[maybe_unused]] const bool there = pinwarden::resume(process);
}

bool KernelHolds::stopped(const Task& caller)
{
    return is_stopped(caller.process.pid, caller.tid);
}

void KernelHolds::forget(const HeldOperation& held)
{
    table_.forget(held.operation.caller.tid, held.id);
}

std::vector<std::uint64_t> KernelTruth::addresses(std::span<const PageNumber> pages) const
{
    std::vector<std::uint64_t> addresses;
    addresses.reserve(pages.size());
    for (const PageNumber page : pages) {
        addresses.push_back(geometry_.vmemmap_base + page * geometry_.struct_page_bytes);
    }
    return addresses;
}

std::vector<PageState> KernelTruth::states(std::span<const pw_page_state> raw) const
{
    const auto number = [this](std::uint64_t address) {
        return (address - geometry_.vmemmap_base) / geometry_.struct_page_bytes;
    };
    std::vector<PageState> states;
    states.reserve(raw.size());
    for (const pw_page_state& one : raw) {
        PageState state;
        state.page = number(one.page);
        state.folio = number(one.folio);
        state.folio_pages = one.folio_pages;
        state.pins = one.pins;
        state.readable = (one.flags & PW_PAGE_READABLE) != 0;
        state.anonymous = (one.flags & PW_PAGE_ANONYMOUS) != 0;
        if ((one.flags & PW_PAGE_FILE) != 0) {
            state.file = FileKey{one.file.inode, one.file.device, one.file.generation};
            state.file_page = one.page_index;
        }
        states.push_back(state);
    }
    return states;
}

Result<std::vector<PageState>> KernelTruth::read(std::span<const PageNumber> pages)
{
    auto raw = runner_.read(addresses(pages));
    if (!raw) {
        return std::unexpected(raw.error());
    }
    return states(*raw);
}

Result<PageTruth::Scan> KernelTruth::scan(PageNumber first, std::uint64_t pages)
{
    auto raw = runner_.scan(addresses(std::array{first}).front(), static_cast<std::uint32_t>(pages));
    if (!raw) {
        return std::unexpected(raw.error());
    }
    return Scan{states(raw->pinned), raw->looked_at};
}

Result<std::uint64_t> KernelTruth::adopt(std::span<const PageNumber> pages, bool folio)
{
    return runner_.adopt(addresses(pages), folio);
}

std::vector<std::pair<FileKey, std::uint64_t>> KernelTruth::file_sequences()
{
    std::vector<std::pair<FileKey, std::uint64_t>> sequences;
    for (const auto& [key, sequence] : maps_.file_sequences()) {
        sequences.emplace_back(file_of(key), sequence);
    }
    return sequences;
}

Frame KernelNames::name(std::uint64_t address)
{
    const auto symbol = symbols_.find(address);
    if (!symbol) {
        return {};
    }
    return {std::string(symbol->name), std::string(symbol->module), address - symbol->address};
}

}  // namespace pinwarden
