// Writing what the programs decide by. Takes the contract's own structs; who fills them is not this room's business.
#pragma once

#include <pinwarden/abi.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernel/programs.h"

namespace pinwarden {

// See pw_file_ack.
struct AcknowledgedRange {
    std::uint64_t sequence = 0;
    std::uint64_t first_page = 0;
    std::uint64_t end_page = 0;
};

class VerdictMaps {
public:
    // `fds` and `shared` are borrowed from Programs, which must outlive the maps.
    static Result<std::unique_ptr<VerdictMaps>> open(const MapFds& fds, const SharedVariables& shared);

    VerdictMaps(const VerdictMaps&) = delete;
    VerdictMaps& operator=(const VerdictMaps&) = delete;
    ~VerdictMaps();

    // What a policy table selects by; `table` of the keys is set by install().
    struct Selected {
        std::vector<std::pair<pw_prefix_key, std::uint64_t>> prefixes;
        std::vector<std::pair<pw_caller_key, std::uint64_t>> callers;
    };
    // Writes the half of the table that `generation` uses and what it selects by, then switches. On error the
    // generation in force stays.
    Result<void> install(const pw_policy_table& table, Selected selected, std::uint32_t generation);
    // How many cgroups were made since the programs run, and of how many of them policies know.
    [[nodiscard]] std::uint64_t cgroups_made() const;
    void set_cgroups_known(std::uint64_t made);
    // Replaces the range, and what is said of the half of the policy table that `generation` uses; the other half
    // stays. Nothing happens when the kernel has forgotten the file.
    Result<void> acknowledge(const pw_file_key& file, const AcknowledgedRange& range, std::uint64_t policies,
                             std::uint32_t generation);
    Result<void> set_pin_verdict(const pw_pin_verdict_key& key, const pw_pin_verdict& verdict);
    Result<void> clear_pin_verdict(const pw_pin_verdict_key& key);
    // Every file the kernel has an entry for, with the sequence of its pins.
    [[nodiscard]] std::vector<std::pair<pw_file_key, std::uint64_t>> file_sequences() const;
    // How many losses the programs have counted after which the ledger may be wrong.
    [[nodiscard]] std::uint64_t ledger_losses() const;
    // Says that it is right again after so many, or ~0 that it is not.
    void set_ledger_losses_mended(std::uint64_t losses);
    // Whether releases are told by folio: see bpf/maps.bpf.h.
    void set_releases_by_folio(bool on);
    // See `unfollowed_made` in bpf/shared.bpf.h.
    void set_unfollowed_gone(std::uint64_t pins);
    [[nodiscard]] std::uint64_t unfollowed_made() const;
    // See `unheard` there.
    [[nodiscard]] std::uint64_t unheard() const;
    // Lowers the block counter of the page with this struct page address by `pins`.
    void untrack(std::uint64_t page_address, std::uint64_t pins);

private:
    VerdictMaps(const MapFds& fds, const SharedVariables& shared, std::uint64_t* blocks)
        : fds_(fds), shared_(shared), blocks_(blocks)
    {
    }

    MapFds fds_;
    SharedVariables shared_;
    std::uint64_t* blocks_;
};

}  // namespace pinwarden
