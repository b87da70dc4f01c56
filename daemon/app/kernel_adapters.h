// The real kernel behind the pipeline's interfaces.
#pragma once

#include <absl/container/flat_hash_map.h>

#include "act/file_entries.h"
#include "act/hold_sink.h"
#include "act/verdict_sink.h"
#include "app/guardian.h"
#include "decode/decoder.h"
#include "kernel/audit_runner.h"
#include "kernel/cgroups.h"
#include "kernel/file_entries.h"
#include "kernel/hold_table.h"
#include "kernel/kallsyms.h"
#include "kernel/object_table.h"
#include "kernel/programs.h"
#include "kernel/verdict_maps.h"
#include "ledger/driver.h"
#include "ledger/owner_names.h"
#include "ledger/page_truth.h"
#include "proc/process_stat.h"

namespace pinwarden {

class KernelVerdicts final : public VerdictSink {
public:
    // `maps` and `programs` must outlive this.
    KernelVerdicts(VerdictMaps& maps, Programs& programs, PageGeometry geometry)
        : maps_(maps), programs_(programs), geometry_(geometry)
    {
    }

    Result<void> install(const CompiledPolicies& policies, std::uint32_t generation) override;
    Result<void> acknowledge(const FileKey& file, const FileState& state, std::uint64_t policies,
                             std::uint32_t generation) override;
    Result<void> set_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation,
                                 const FileState& state) override;
    Result<void> clear_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation) override;
    [[nodiscard]] std::uint64_t cgroups_made() const override { return maps_.cgroups_made(); }
    void know_cgroups(std::uint64_t made) override { maps_.set_cgroups_known(made); }
    [[nodiscard]] std::uint64_t losses() const override { return maps_.ledger_losses(); }
    void trust_ledger(std::optional<std::uint64_t> after_losses) override
    {
        maps_.set_ledger_losses_mended(after_losses.value_or(~std::uint64_t{0}));
    }
    void tell_by_folio(bool on) override { maps_.set_releases_by_folio(on); }
    void forget_unfollowed(std::uint64_t pins) override { maps_.set_unfollowed_gone(pins); }
    [[nodiscard]] std::uint64_t unfollowed_made() const override { return maps_.unfollowed_made(); }
    [[nodiscard]] std::uint64_t unheard() const override { return maps_.unheard(); }
    Result<void> hear_releases(bool on) override { return programs_.hear_releases(on); }
    void untrack(const std::vector<PageRun>& pages) override;

private:
    VerdictMaps& maps_;
    Programs& programs_;
    PageGeometry geometry_;
};

class KernelFiles final : public FileEntries {
public:
    explicit KernelFiles(FileEntryMaps maps) : maps_(std::move(maps)) {}

    [[nodiscard]] std::uint64_t known() const override { return maps_.known(); }
    [[nodiscard]] std::uint64_t capacity() const override { return maps_.capacity(); }
    [[nodiscard]] std::uint64_t left_out() const override { return maps_.left_out(); }
    [[nodiscard]] bool may_be_left_out(const FileKey& file) const override;
    [[nodiscard]] bool has(const FileKey& file) const override;
    std::vector<FileKey> next(std::size_t most) override;
    Result<void> remove(const FileKey& file) override;
    void note_left_out() override { maps_.note_left_out(); }
    void settle() override { maps_.settle(); }
    Result<bool> enter(const FileKey& file, const FileState& state) override;

private:
    FileEntryMaps maps_;
};

class KernelHolds final : public HoldSink {
public:
    // `guardian` must outlive this.
    KernelHolds(HoldTable table, Guardian& guardian, PageGeometry geometry)
        : table_(table), guardian_(guardian), decoder_(geometry)
    {
    }

    std::optional<std::string> attend(Nanoseconds until) override;
    [[nodiscard]] std::uint64_t under_way() const override { return table_.under_way(); }
    std::vector<HeldOperation> list() override;
    Result<void> release(std::uint64_t id, Outcome outcome) override;
    void resume(const ProcessId& process) override;
    bool stopped(const Task& caller) override;
    void forget(const HeldOperation& held) override;

private:
    HoldTable table_;
    Guardian& guardian_;
    bool knows_pids_ = in_initial_pid_namespace();
    Decoder decoder_;
};

class KernelTruth final : public PageTruth {
public:
    // `runner` and `maps` must outlive this.
    KernelTruth(AuditRunner& runner, VerdictMaps& maps, ObjectTable objects, PageGeometry geometry, PageNumber limit)
        : runner_(runner), maps_(maps), objects_(objects), geometry_(geometry), limit_(limit)
    {
    }

    Result<std::vector<PageState>> read(std::span<const PageNumber> pages) override;
    Result<Scan> scan(PageNumber first, std::uint64_t pages) override;
    [[nodiscard]] PageNumber limit() const override { return limit_; }
    Result<std::uint64_t> adopt(std::span<const PageNumber> pages, bool folio) override;
    Result<void> record_files(std::uint64_t pin, std::uint64_t address, std::span<const PageNumber> pages) override
    {
        return runner_.record(pin, address, addresses(pages));
    }
    std::vector<std::pair<FileKey, std::uint64_t>> file_sequences() override;
    Result<std::vector<std::uint64_t>> live_objects() override { return objects_.live(); }
    Result<std::vector<CallUnderWay>> calls_under_way() override { return objects_.calls_under_way(); }

private:
    [[nodiscard]] std::vector<std::uint64_t> addresses(std::span<const PageNumber> pages) const;
    [[nodiscard]] std::vector<PageState> states(std::span<const pw_page_state> raw) const;

    AuditRunner& runner_;
    VerdictMaps& maps_;
    ObjectTable objects_;
    PageGeometry geometry_;
    PageNumber limit_;
};

class KernelCgroups final : public CgroupNamer {
public:
    std::string path(std::uint64_t id) override { return tree_.path(id); }

private:
    CgroupTree tree_;
};

class KernelNames final : public StackNamer {
public:
    Frame name(std::uint64_t address) override;
    std::uint64_t naming() override { return symbols_.edition(); }
    // Whether the kernel shows its addresses to this process.
    [[nodiscard]] static bool available() { return Kallsyms::available(); }
    void reload() { symbols_.reload(); }

private:
    Kallsyms symbols_;
};

}  // namespace pinwarden
