#include "app/former_ledger.h"

#include <limits>
#include <utility>
#include <variant>

#include "kernel/programs.h"

namespace pinwarden {

FormerLedger::FormerLedger(Checkpoint checkpoint, std::optional<KeptMaps> kept, CgroupNamer& cgroups, Gone gone)
    : checkpoint_(std::move(checkpoint)),
      decoder_(checkpoint_.head().geometry),
      owners_(cgroups),
      gone_(std::move(gone)),
      kept_(std::move(kept)),
      seen_from_(std::numeric_limits<Nanoseconds>::max())
{
    checkpoint_.replay({[this](std::span<const std::byte> record) { take(record); },
                        [this](const PagesEvent& pages) { ledger_.pages(pages); }});
    if (kept_) {
        take_ring();
    }
}

// What was reported since the checkpoint is in the ring, also what the daemon had read by then, unless too much was.
void FormerLedger::take_ring()
{
    auto ring =
        RingReader::open(kept_->ring.get(), nullptr, [this](std::span<const std::byte> record) { take(record); });
    if (!ring) {
        return;
    }
    ring_ = std::move(*ring);
    const std::uint64_t position = checkpoint_.head().position;
    const bool told_all = position <= ring_->consumed() && ring_->read_again(position).value_or(false);
    complete_ = told_all && checkpoint_.head().certain;
    unread_ = true;
    refresh();
}

void FormerLedger::refresh()
{
    given_.clear();
    if (!ring_) {
        return;
    }
    // Not what comes meanwhile: who never stops could keep everybody waiting.
    constexpr std::size_t kBatch = 256;
    const std::uint64_t end = ring_->consumed() + ring_->used();
    while (ring_->consumed() < end && ring_->consume(kBatch).value_or(0) > 0) {
    }
    const auto counters = read_counters(kept_->counters.get());
    complete_ = complete_ && counters && ledger_losses(*counters) == checkpoint_.head().losses;
}

void FormerLedger::take(std::span<const std::byte> record)
{
    auto event = decoder_.decode(record);
    if (!event) {
        complete_ = false;
        return;
    }
    std::visit([this](auto& one) { on(one); }, *event);
}

void FormerLedger::on(PinEvent& event)
{
    if (event.error != 0) {
        return;
    }
    if (const PinRecord* first = event.more ? ledger_.first_of(event.scope) : nullptr) {
        event.stack = first->stack;
        event.user_stack = first->user_stack;
    }
    event.owner.names = owners_.of(event.owner);
    ledger_.pin(event, {});
}

void FormerLedger::on(const ExitEvent& event)
{
    ledger_.exit(event);
    owners_.exit(event.process);
}

void FormerLedger::on(const OperationEvent& event)
{
    // What both daemons' programs let pass is reported to both; what one denies the other is not asked about.
    if (!unread_ || (event.time >= seen_from_ && event.verdict != PW_VERDICT_DENY)) {
        return;
    }
    if (conflicts_.size() < kConflictsKept) {
        conflicts_.push_back(correlate(ledger_, event));
    } else {
        ++conflicts_left_out_;
    }
}

std::vector<Conflict> FormerLedger::take_conflicts()
{
    return std::exchange(conflicts_, {});
}

std::vector<FormerPins::Holding> FormerLedger::on(PageRun run) const
{
    std::vector<Holding> holdings;
    ledger_.index().visit(run, [&](const Extent& extent) {
        const PinRecord* pin = ledger_.find(extent.pin);
        const bool known = pin != nullptr && pin->acquired < seen_from_ && pin->owner.process.pid != 0;
        // Where not all was told, a process that has ended since may have let go, and another pinned the same.
        if (!known || (!complete_ && !pin->owner_exited && gone_(pin->owner.process))) {
            return true;
        }
        std::shared_ptr<const PinRecord>& given = given_[extent.pin];
        if (given == nullptr) {
            auto copy = std::make_shared<PinRecord>(*pin);
            copy->inferred = copy->inferred || !complete_;
            given = std::move(copy);
        }
        holdings.push_back({given, {extent.first, extent.count}, extent.position});
        return true;
    });
    return holdings;
}

void FormerLedger::forget(const Holding& holding)
{
    ReleaseEvent gone;
    gone.runs = {holding.pages};
    gone.repair = true;
    gone.only = holding.pin->id;
    taken_over_ += holding.pages.count;
    ledger_.release(gone);
}

}  // namespace pinwarden
