#include "ledger/audit.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <tuple>
#include <utility>

#include "ledger/page_blocks.h"

namespace pinwarden {
namespace {

constexpr std::size_t kBlocksAtOnce = PageTruth::kBatch >> PW_BLOCK_PAGES_SHIFT;
constexpr std::uint64_t kPagesAtOnce = 1U << 16U;
// How long both numbers must stand still. What the ledger has and the kernel has not is certain after two looks (see
// judge); what only the kernel has may be a read or write that waits for its device.
constexpr Nanoseconds kSurplusAfter = 20'000'000;
constexpr Nanoseconds kMissingAfter = 1'000'000'000;
// For a repair after a loss, which should not take long: more than a read or write usually waits.
constexpr Nanoseconds kAdoptAfter = 100'000'000;
// How long calls under way are waited for: on a busy machine there always are some.
constexpr Nanoseconds kPatience = 10'000'000'000;
constexpr Nanoseconds kPatienceSoon = 1'500'000'000;
constexpr Nanoseconds kGiveUpAfter = 3'000'000'000;
// What a repair leaves different is repaired again, but something that does not come to rest not for ever.
constexpr int kRepairs = 3;
constexpr Nanoseconds kBetweenLooks = 5'000'000;
constexpr Nanoseconds kBetweenLateLooks = 50'000'000;

}  // namespace

Audit::Audit(Parts parts, AuditOptions options) : parts_(std::move(parts)), options_(options)
{
    report_.started = parts_.clock.now();
    report_.whole_memory = options_.whole_memory && parts_.truth.limit() > 0;
    sequences_ = parts_.truth.file_sequences();
    blocks_ = parts_.ledger.index().block_numbers(options_.sample, static_cast<std::uint64_t>(report_.started));
    all_blocks_ = blocks_.size();
}

AuditProgress Audit::progress() const
{
    switch (phase_) {
        case Phase::kObjects:
        case Phase::kLedger: return {AuditPhase::kLedger, all_blocks_ - blocks_.size(), all_blocks_};
        case Phase::kMemory: {
            const PageNumber limit = parts_.truth.limit();
            return {AuditPhase::kMemory, std::min(next_page_, limit), limit};
        }
        case Phase::kOwners: {
            const OwnerSearch::Progress search = parts_.owners->progress();
            return {AuditPhase::kOwners, search.done, search.total};
        }
        case Phase::kRepair: return {AuditPhase::kRepair, all_adoptions_ - to_adopt_.size(), all_adoptions_};
        case Phase::kSettling:
        case Phase::kDone: break;
    }
    const Nanoseconds now = parts_.clock.now();
    const auto still =
        std::ranges::count_if(suspects_, [this, now](const auto& entry) { return steady(entry.second, now); });
    return {AuditPhase::kSettling, static_cast<std::uint64_t>(still), suspects_.size()};
}

Result<std::optional<Nanoseconds>> Audit::step()
{
    const Nanoseconds now = parts_.clock.now();
    Result<void> done;
    judge(now);
    switch (phase_) {
        case Phase::kObjects:
            phase_ = Phase::kLedger;
            if (options_.repair) {
                done = drop_gone();
            }
            break;
        case Phase::kLedger:
            if (blocks_.empty()) {
                phase_ = report_.whole_memory ? Phase::kMemory : Phase::kSettling;
            } else {
                done = look_at_ledger();
            }
            break;
        case Phase::kMemory:
            if (next_page_ >= parts_.truth.limit()) {
                phase_ = Phase::kSettling;
            } else {
                done = look_at_memory();
            }
            break;
        case Phase::kSettling:
            settling_since_ = settling_since_ == 0 ? now : settling_since_;
            if (!looked_again_) {
                looked_again_ = true;
                done = look_again();
                break;
            }
            looked_again_ = false;
            if (!all_steady(now) && now < settling_since_ + kGiveUpAfter + (waits_ ? patience() : 0)) {
                return now + (now < settling_since_ + 2 * kSurplusAfter ? kBetweenLooks : kBetweenLateLooks);
            }
            settled();
            break;
        case Phase::kOwners:
            owners_ = parts_.owners->result();
            if (!owners_) {
                return now + kBetweenLateLooks;
            }
            // Meanwhile pins came and went: what differs is looked at again.
            settling_since_ = now;
            phase_ = Phase::kSettling;
            break;
        case Phase::kRepair: {
            const auto adopted = adopt_next();
            if (!adopted) {
                return std::unexpected(adopted.error());
            }
            if (!to_adopt_.empty()) {
                return *adopted ? now : now + kBetweenLooks;
            }
            done = read_calls();
            during_repair_ = under_way_;
            ++repairs_;
            settling_since_ = now;
            phase_ = Phase::kSettling;
            break;
        }
        case Phase::kDone: return std::nullopt;
    }
    if (!done) {
        return std::unexpected(done.error());
    }
    if (phase_ == Phase::kDone) {
        return std::nullopt;
    }
    return now;
}

// Drops the pins of objects that are no more. Counts alone would not tell whose pin of a page is gone when the release
// of one was lost and so was the acquisition of another. For the same reason, where all of memory is looked through,
// brief ones go, of which most are over, and after a loss those of which no object is known: what is still pinned is
// found again, as pins whose owner is inferred or not known. An owner that may be wrong is worse than none.
Result<void> Audit::drop_gone()
{
    const auto live = parts_.truth.live_objects();
    if (!live) {
        return std::unexpected(live.error());
    }
    absl::btree_map<PinId, std::vector<PageRun>> gone;
    for (const auto& [id, pin] : parts_.ledger.pins()) {
        const bool object_is_gone =
            pin.scope.object != 0 && !std::binary_search(live->begin(), live->end(), pin.scope.object);
        const bool vouched_for = pin.scope.object != 0 || pin.owner.process.pid == 0;
        if (pin.acquired < report_.started &&
            (object_is_gone || (report_.whole_memory && !pin.shown()) || (options_.lost && !vouched_for))) {
            gone[id];
        }
    }
    if (gone.empty()) {
        return {};
    }
    for (const std::uint64_t block : parts_.ledger.index().block_numbers()) {
        parts_.ledger.index().visit({block * kBlockPages, kBlockPages}, [&](const Extent& extent) {
            if (const auto pin = gone.find(extent.pin); pin != gone.end()) {
                pin->second.push_back({extent.first, extent.count});
            }
            return true;
        });
    }
    for (auto& [id, runs] : gone) {
        ReleaseEvent event;
        event.time = parts_.clock.now();
        event.runs = std::move(runs);
        event.repair = true;
        event.only = id;
        for (const PageRun& run : event.runs) {
            report_.surplus_pins += run.count;
            report_.dropped_pins += run.count;
        }
        parts_.release(event);
    }
    return {};
}

Result<void> Audit::look_at_ledger()
{
    std::vector<PageNumber> pages;
    for (std::size_t taken = 0; taken < kBlocksAtOnce && !blocks_.empty(); ++taken) {
        const PageRun block{blocks_.back() * kBlockPages, kBlockPages};
        blocks_.pop_back();
        const std::size_t before = pages.size();
        parts_.ledger.index().visit(block, [&](const Extent& extent) {
            for (std::uint64_t i = 0; i < extent.count; ++i) {
                pages.push_back(extent.first + i);
            }
            return true;
        });
        const auto from = pages.begin() + static_cast<std::ptrdiff_t>(before);
        std::sort(from, pages.end());
        pages.erase(std::unique(from, pages.end()), pages.end());
    }
    if (pages.empty()) {
        return {};
    }
    auto states = parts_.truth.read(pages);
    if (!states) {
        return std::unexpected(states.error());
    }
    report_.ledger_pages += pages.size();
    for (const PageState& state : *states) {
        compare(state);
    }
    return {};
}

Result<void> Audit::look_at_memory()
{
    const std::uint64_t pages = std::min(kPagesAtOnce, parts_.truth.limit() - next_page_);
    auto scan = parts_.truth.scan(next_page_, pages);
    if (!scan) {
        return std::unexpected(scan.error());
    }
    next_page_ += std::max<std::uint64_t>(scan->looked_at, 1);
    report_.scanned_pages += scan->looked_at;
    for (const PageState& state : scan->pinned) {
        compare(state);
        tally(state);
    }
    return {};
}

void Audit::compare(const PageState& state)
{
    // The pages of a large folio share one count: once is enough, and a gigantic one has a quarter of a million.
    if (state.folio_pages > 1 && !large_seen_.insert(state.folio).second) {
        return;
    }
    const PageRun folio{state.folio, state.folio_pages};
    looked_at_.push_back({state.folio, state, parts_.ledger.held(folio)});
}

// Compares what was looked at in the step before, now that every record sent before the look has been handled. Where
// the ledger has changed since, the two numbers are of different moments and say nothing. Where it has not, the kernel
// can have more only by a call that pins and has not returned yet, and less only by one that lets go an object: pages
// that are let go one by one are reported before it happens. What has just been adopted may be about to be let go by a
// call whose report came before.
void Audit::judge(Nanoseconds now)
{
    waits_ = false;
    for (const Look& look : looked_at_) {
        const std::uint64_t held = parts_.ledger.held({look.state.folio, look.state.folio_pages});
        const bool changed = held != look.ledger_pins;
        const bool equal = !changed && held == look.state.pins;
        if (equal && !any_goes_on(during_repair_, now)) {
            suspects_.erase(look.folio);
            continue;
        }
        const auto [suspect, added] = suspects_.try_emplace(look.folio, Suspect{look.state, held, now});
        if (added) {
            continue;
        }
        const bool same_numbers =
            !changed && held == suspect->second.ledger_pins && look.state.pins == suspect->second.state.pins;
        const Calls calls = same_numbers && suspect->second.calls ? suspect->second.calls : under_way_;
        const bool waits = equal || (look.state.pins != held && any_goes_on(calls, now));
        const bool same = same_numbers && !waits;
        waits_ = waits_ || waits;
        suspect->second = {look.state, held, same ? suspect->second.since : now, calls};
    }
    looked_at_.clear();
}

void Audit::tally(const PageState& state)
{
    PinnedMemory& without_file = state.anonymous ? report_.anonymous : report_.unbacked;
    PinnedMemory& memory = state.file ? report_.files[*state.file] : without_file;
    ++memory.folios;
    memory.pages += state.folio_pages;
    memory.pins += state.pins;
    memory.ledger_pins += parts_.ledger.held({state.folio, state.folio_pages});
}

Nanoseconds Audit::patience() const
{
    return options_.soon ? kPatienceSoon : kPatience;
}

bool Audit::steady(const Suspect& suspect, Nanoseconds now) const
{
    const Nanoseconds missing = options_.soon ? kAdoptAfter : kMissingAfter;
    return now >= suspect.since + (suspect.state.pins > suspect.ledger_pins ? missing : kSurplusAfter);
}

bool Audit::all_steady(Nanoseconds now) const
{
    return std::ranges::all_of(suspects_, [this, now](const auto& entry) { return steady(entry.second, now); });
}

Result<void> Audit::look_again()
{
    std::vector<PageNumber> pages;
    pages.reserve(suspects_.size());
    for (const auto& [folio, suspect] : suspects_) {
        pages.push_back(folio);
    }
    for (std::size_t at = 0; at < pages.size(); at += PageTruth::kBatch) {
        const auto batch = std::span(pages).subspan(at, std::min(PageTruth::kBatch, pages.size() - at));
        auto states = parts_.truth.read(batch);
        if (!states) {
            return std::unexpected(states.error());
        }
        for (const PageState& state : *states) {
            looked_at_.push_back({state.page, state, parts_.ledger.held({state.folio, state.folio_pages})});
        }
    }
    // After the pages: a call that has ended since has reported what it pinned.
    return read_calls();
}

Result<void> Audit::read_calls()
{
    auto calls = parts_.truth.calls_under_way();
    if (!calls) {
        return std::unexpected(calls.error());
    }
    under_way_ = std::make_shared<const std::vector<CallUnderWay>>(std::move(*calls));
    return {};
}

// Whether any of these was under way still when it was last looked; for as long as calls are waited for.
bool Audit::any_goes_on(const Calls& calls, Nanoseconds now) const
{
    return calls && under_way_ && now < settling_since_ + patience() &&
           std::ranges::any_of(
               *calls, [this](const CallUnderWay& call) { return std::ranges::binary_search(*under_way_, call); });
}

// What still differs now, differs.
void Audit::settled()
{
    std::vector<Suspect> differing;
    for (const auto& [folio, suspect] : suspects_) {
        if (steady(suspect, parts_.clock.now())) {
            differing.push_back(suspect);
        }
    }
    // In the order of the files, so that what belongs together is shown, and adopted, as one.
    std::sort(differing.begin(), differing.end(), [](const Suspect& left, const Suspect& right) {
        return std::tie(left.state.file, left.state.file_page, left.state.folio) <
               std::tie(right.state.file, right.state.file_page, right.state.folio);
    });
    report_.unsettled_folios = suspects_.size() - differing.size();
    if (repairs_ > 0 && (differing.empty() || repairs_ == kRepairs)) {
        finish();
        return;
    }
    if (look_for_owners(differing)) {
        return;
    }
    report_.differing_folios += differing.size();
    for (const Suspect& suspect : differing) {
        note(suspect);
    }
    if (!options_.repair) {
        finish();
        return;
    }
    plan_repair(differing);
    all_adoptions_ = to_adopt_.size();
    phase_ = Phase::kRepair;
}

void Audit::finish()
{
    report_.exact = suspects_.empty();
    if (options_.repair && report_.whole_memory && report_.exact) {
        for (const auto& [file, sequence] : sequences_) {
            parts_.ledger.resync(file, sequence);
        }
    }
    report_.took = parts_.clock.now() - report_.started;
    phase_ = Phase::kDone;
}

}  // namespace pinwarden
