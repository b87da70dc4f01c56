// What the daemon before this one knew of pins: its checkpoint, and what its programs have reported since.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "correlate/conflict.h"
#include "decode/decoder.h"
#include "kernel/kept_links.h"
#include "kernel/ring_reader.h"
#include "ledger/former_pins.h"
#include "ledger/ledger.h"
#include "ledger/owner_names.h"
#include "recording/checkpoint.h"

namespace pinwarden {

class FormerLedger final : public FormerPins {
public:
    using Gone = std::function<bool(const ProcessId&)>;

    // `kept`: the ring and counters of the programs the checkpoint is of, if these are attached still; the ring is
    // emptied from here on. `cgroups` must outlive it; `gone` tells whether a process has ended.
    FormerLedger(Checkpoint checkpoint, std::optional<KeptMaps> kept, CgroupNamer& cgroups, Gone gone);

    // From then on this daemon sees for itself what is pinned.
    void seen_from(Nanoseconds time) { seen_from_ = time; }

    void refresh() override;
    [[nodiscard]] bool complete() const override { return complete_; }
    [[nodiscard]] std::vector<Holding> on(PageRun run) const override;
    void forget(const Holding& holding) override;

    // What was decided while nobody was there to hear of it, with what was pinned then; each once, the first
    // kConflictsKept.
    [[nodiscard]] std::vector<Conflict> take_conflicts();
    [[nodiscard]] std::size_t conflicts_left_out() const { return conflicts_left_out_; }
    // Pages that this daemon has taken over.
    [[nodiscard]] std::uint64_t taken_over() const { return taken_over_; }
    [[nodiscard]] const CheckpointHead& head() const { return checkpoint_.head(); }

    static constexpr std::size_t kConflictsKept = 4096;

private:
    void take(std::span<const std::byte> record);
    void take_ring();
    void on(PinEvent& event);
    void on(UserStackEvent& event) { ledger_.user_stack(event); }
    void on(const RangeEvent& event) { ledger_.range(event); }
    void on(const PagesEvent& event) { ledger_.pages(event); }
    void on(const ReleaseEvent& event) { ledger_.release(event); }
    void on(const FileEvent& event) { ledger_.file(event); }
    void on(const RenameEvent& event) { ledger_.rename(event); }
    void on(const InvalidationEvent& event) { ledger_.invalidate(event); }
    void on(const ExitEvent& event);
    void on(const OwnerEvent& event) { owners_.runs(event); }
    void on(const OperationEvent& event);
    void on(const NotifierEvent& /*event*/) {}
    void on(const HoldEndEvent& /*event*/) {}

    Checkpoint checkpoint_;
    Decoder decoder_;
    Ledger ledger_;
    OwnerNames owners_;
    Gone gone_;
    std::optional<KeptMaps> kept_;
    std::unique_ptr<RingReader> ring_;
    Nanoseconds seen_from_ = 0;
    bool complete_ = false;
    bool unread_ = false;  // nobody has read what is read now
    std::vector<Conflict> conflicts_;
    std::size_t conflicts_left_out_ = 0;
    std::uint64_t taken_over_ = 0;
    // Copies that were given out since the last refresh.
    mutable absl::flat_hash_map<PinId, std::shared_ptr<const PinRecord>> given_;
};

}  // namespace pinwarden
