#include "kernel/verdict_maps.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>

#include "kernel/running_programs.h"

namespace pinwarden {
namespace {

constexpr std::size_t kBlocksBytes = PW_BLOCKS * sizeof(std::uint64_t);

template <typename Key>
Result<void> clear_half(int map, std::uint32_t table, const std::string& what)
{
    std::vector<Key> stale;
    Key key{};
    const Key* previous = nullptr;
    while (bpf_map_get_next_key(map, previous, &key) == 0) {
        if (key.table == table) {
            stale.push_back(key);
        }
        previous = &key;
    }
    for (const Key& old : stale) {
        const int error = bpf_map_delete_elem(map, &old);
        if (error != 0 && error != -ENOENT) {
            return std::unexpected(system_error("remove an old " + what, error));
        }
    }
    return {};
}

// Replaces what is in that half.
template <typename Key>
Result<void> fill_half(int map, std::uint32_t table, std::vector<std::pair<Key, std::uint64_t>>& entries,
                       const std::string& what)
{
    if (auto cleared = clear_half<Key>(map, table, what); !cleared) {
        return cleared;
    }
    for (auto& [key, slots] : entries) {
        key.table = table;
        const int error = bpf_map_update_elem(map, &key, &slots, BPF_ANY);
        if (error != 0) {
            return std::unexpected(system_error("write a " + what, error));
        }
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<VerdictMaps>> VerdictMaps::open(const MapFds& fds, const SharedVariables& shared)
{
    void* blocks = mmap(nullptr, kBlocksBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds.blocks, 0);
    if (blocks == MAP_FAILED) {
        return std::unexpected(system_error("map the table of page blocks", errno));
    }
    return std::unique_ptr<VerdictMaps>(new VerdictMaps(fds, shared, static_cast<std::uint64_t*>(blocks)));
}

VerdictMaps::~VerdictMaps()
{
    munmap(blocks_, kBlocksBytes);
}

Result<void> VerdictMaps::install(const pw_policy_table& table, Selected selected, std::uint32_t generation)
{
    const std::uint32_t half = generation & 1U;
    // The half about to be written was in force before the present one: nobody may still be reading it.
    wait_for_running_programs();
    if (auto filled = fill_half(fds_.path_prefixes, half, selected.prefixes, "path prefix"); !filled) {
        return filled;
    }
    if (auto filled = fill_half(fds_.callers, half, selected.callers, "caller of policies"); !filled) {
        return filled;
    }
    const int error = bpf_map_update_elem(fds_.policies, &half, &table, BPF_ANY);
    if (error != 0) {
        return std::unexpected(system_error("write the policy table", error));
    }
    // Raised before the switch and lowered after it, so that no program skips a walk that its table needs.
    const auto wanted = static_cast<std::uint32_t>(selected.prefixes.size());
    std::atomic_ref<std::uint32_t> count(*shared_.prefix_count);
    if (wanted > count.load()) {
        count.store(wanted);
    }
    std::atomic_ref<std::uint32_t>(*shared_.policy_generation).store(generation);
    count.store(wanted);
    return {};
}

Result<void> VerdictMaps::acknowledge(const pw_file_key& file, const AcknowledgedRange& range, std::uint64_t policies,
                                      std::uint32_t generation)
{
    // Only this thread writes acknowledgements; the kernel makes and removes them, never changes them.
    pw_file_ack ack{};
    int error = bpf_map_lookup_elem(fds_.file_acks, &file, &ack);
    if (error == 0) {
        ack.sequence = range.sequence;
        ack.first_page = range.first_page;
        ack.end_page = range.end_page;
        const std::uint32_t half = generation & 1U;
        ack.policies[half] = policies;
        ack.policy_generation[half] = generation;
        error = bpf_map_update_elem(fds_.file_acks, &file, &ack, BPF_EXIST);
    }
    if (error != 0 && error != -ENOENT) {
        return std::unexpected(system_error("acknowledge a file's pins", error));
    }
    return {};
}

Result<void> VerdictMaps::set_pin_verdict(const pw_pin_verdict_key& key, const pw_pin_verdict& verdict)
{
    const int error = bpf_map_update_elem(fds_.pin_verdicts, &key, &verdict, BPF_ANY);
    if (error != 0) {
        return std::unexpected(system_error("write the verdict for a file", error));
    }
    return {};
}

Result<void> VerdictMaps::clear_pin_verdict(const pw_pin_verdict_key& key)
{
    const int error = bpf_map_delete_elem(fds_.pin_verdicts, &key);
    if (error != 0 && error != -ENOENT) {
        return std::unexpected(system_error("remove the verdict for a file", error));
    }
    return {};
}

std::vector<std::pair<pw_file_key, std::uint64_t>> VerdictMaps::file_sequences() const
{
    std::vector<std::pair<pw_file_key, std::uint64_t>> sequences;
    pw_file_key key{};
    const pw_file_key* previous = nullptr;
    while (bpf_map_get_next_key(fds_.file_pins, previous, &key) == 0) {
        pw_file_pins pins{};
        if (bpf_map_lookup_elem(fds_.file_pins, &key, &pins) == 0) {
            sequences.emplace_back(key, pins.sequence);
        }
        previous = &key;
    }
    return sequences;
}

std::uint64_t VerdictMaps::cgroups_made() const
{
    return *static_cast<const volatile __u64*>(shared_.cgroups_made);
}

void VerdictMaps::set_cgroups_known(std::uint64_t made)
{
    std::atomic_ref<__u64>(*shared_.cgroups_known).store(made);
}

std::uint64_t VerdictMaps::ledger_losses() const
{
    return *static_cast<const volatile __u64*>(shared_.ledger_losses);
}

void VerdictMaps::set_ledger_losses_mended(std::uint64_t losses)
{
    std::atomic_ref<__u64>(*shared_.ledger_losses_mended).store(losses);
}

void VerdictMaps::set_releases_by_folio(bool on)
{
    std::atomic_ref<std::uint32_t>(*shared_.releases_by_folio).store(on ? 1 : 0);
}

void VerdictMaps::set_unfollowed_gone(std::uint64_t pins)
{
    std::atomic_ref<__u64>(*shared_.unfollowed_gone).store(pins);
}

std::uint64_t VerdictMaps::unfollowed_made() const
{
    return *static_cast<const volatile __u64*>(shared_.unfollowed_made);
}

std::uint64_t VerdictMaps::unheard() const
{
    return *static_cast<const volatile __u64*>(shared_.unheard);
}

void VerdictMaps::untrack(std::uint64_t page_address, std::uint64_t pins)
{
    // The same arithmetic as block_of() in bpf/emit.bpf.h.
    constexpr unsigned kShift = 6 + PW_BLOCK_PAGES_SHIFT;
    const std::uint64_t block = (page_address >> kShift) & (PW_BLOCKS - 1);
    std::atomic_ref<std::uint64_t>(blocks_[block]).fetch_sub(pins);
}

}  // namespace pinwarden
