// What an audit does about the folios that differ: lists them, drops what is not pinned, adopts what is not in the
// ledger.
#include <algorithm>
#include <cerrno>
#include <map>
#include <ranges>
#include <span>
#include <utility>

#include "ledger/audit.h"

namespace pinwarden {
namespace {

// How long owners are looked for.
constexpr Nanoseconds kSearch = 10'000'000'000;
constexpr Nanoseconds kSearchSoon = 300'000'000;

// In one listed difference, so that nothing can grow beyond its type.
constexpr std::uint64_t kMostJoined = 1U << 30U;

// Whether what the pin holds of a large folio is no list of its pages.
bool counts_by_folio(const PinRecord& pin)
{
    return pin.coalesced || pin.function == PW_MEMFD_PIN_FOLIOS || pin.function == PW_ADOPTED_FOLIO;
}

}  // namespace

void Audit::note(const Suspect& suspect)
{
    const PageState& state = suspect.state;
    const PageRun folio{state.folio, state.folio_pages};
    if (state.pins > suspect.ledger_pins) {
        report_.missing_pins += state.pins - suspect.ledger_pins;
    } else {
        report_.surplus_pins += suspect.ledger_pins - state.pins;
    }
    if (!report_.differences.empty()) {
        AuditDifference& last = report_.differences.back();
        const bool goes_on = state.file && last.state.file == state.file &&
                             last.folios * state.folio_pages <= kMostJoined &&
                             last.state.folio_pages == state.folio_pages && last.state.pins == state.pins &&
                             last.ledger_pins == suspect.ledger_pins &&
                             last.state.file_page + last.folios * state.folio_pages == state.file_page &&
                             last.holders == parts_.ledger.holders(folio);
        if (goes_on) {
            ++last.folios;
            return;
        }
    }
    if (report_.differences.size() < AuditReport::kListed) {
        report_.differences.push_back({state, 1, suspect.ledger_pins, parts_.ledger.holders(folio)});
    }
}

// Whether all pins go that could, or all there are.
bool Audit::is_clear_who(const Suspect& suspect) const
{
    std::uint64_t unfollowed = 0;
    std::uint64_t all = 0;
    parts_.ledger.index().visit({suspect.state.folio, suspect.state.folio_pages}, [&](const Extent& extent) {
        all += extent.count;
        unfollowed += parts_.ledger.find(extent.pin)->scope.object == 0 ? extent.count : 0;
        return true;
    });
    const std::uint64_t surplus = suspect.ledger_pins - suspect.state.pins;
    return surplus == unfollowed || surplus == all;
}

// Of what is missing, what the daemon before knew. Nothing where its knowledge does not agree with the kernel's count.
std::vector<FormerPins::Holding> Audit::former_holdings(const Suspect& suspect) const
{
    const PageState& state = suspect.state;
    if (parts_.former == nullptr || state.pins <= suspect.ledger_pins) {
        return {};
    }
    std::vector<FormerPins::Holding> holdings = parts_.former->on({state.folio, state.folio_pages});
    std::uint64_t known = 0;
    for (const FormerPins::Holding& holding : holdings) {
        known += holding.pages.count;
    }
    const std::uint64_t missing = state.pins - suspect.ledger_pins;
    const bool agrees = known == missing || (known < missing && parts_.former->complete());
    return agrees ? holdings : std::vector<FormerPins::Holding>();
}

// Returns how many of the missing pins that are.
std::uint64_t Audit::plan_taking_over(const Suspect& suspect, Former& former)
{
    std::uint64_t taken = 0;
    if (parts_.former == nullptr) {
        return taken;
    }
    for (const FormerPins::Holding& holding : former_holdings(suspect)) {
        taken += holding.pages.count;
        parts_.former->forget(holding);
        if (suspect.state.folio_pages > 1 && counts_by_folio(*holding.pin)) {
            to_adopt_.push_back({.pages = std::vector<PageNumber>(holding.pages.count, suspect.state.folio),
                                 .folio = true,
                                 .former = holding.pin});
            continue;
        }
        auto& [pin, pages] = former[holding.pin->id];
        pin = holding.pin;
        for (std::uint64_t i = 0; i < holding.pages.count; ++i) {
            pages[holding.position + i] = holding.pages.first + i;
        }
    }
    return taken;
}

void Audit::drop_surplus(const Suspect& suspect)
{
    const PageState& state = suspect.state;
    if (options_.unheard && !is_clear_who(suspect)) {
        report_.ambiguous = true;
        return;
    }
    ReleaseEvent gone;
    gone.time = parts_.clock.now();
    gone.runs = {{state.folio, suspect.ledger_pins - state.pins}};
    gone.span = state.folio_pages;
    gone.repair = true;
    gone.unheard = options_.unheard;
    parts_.release(gone);
    report_.dropped_pins += suspect.ledger_pins - state.pins;
    report_.vague = report_.vague || state.folio_pages > 1;
}

void Audit::plan_repair(const std::vector<Suspect>& differing)
{
    if (parts_.former != nullptr) {
        parts_.former->refresh();
    }
    const auto owner_of = [this](const PageState& state) -> std::optional<Task> {
        const auto found = owners_ ? owners_->find(state.folio) : std::map<PageNumber, Task>::iterator();
        return owners_ && found != owners_->end() ? std::optional(found->second) : std::nullopt;
    };
    const auto by_process = [](const std::optional<Task>& left, const std::optional<Task>& right) {
        return (left ? left->process : ProcessId{}) < (right ? right->process : ProcessId{});
    };
    // Pages of one owner, or of none that is known, make pins together.
    std::map<std::optional<Task>, std::vector<PageNumber>, decltype(by_process)> together(by_process);
    Former former;
    for (const Suspect& suspect : differing) {
        const PageState& state = suspect.state;
        if (suspect.ledger_pins > state.pins) {
            drop_surplus(suspect);
            continue;
        }
        const std::uint64_t missing = state.pins - suspect.ledger_pins - plan_taking_over(suspect, former);
        if (missing == 0) {
            continue;
        }
        if (state.folio_pages == 1) {
            // A page once, as a call would have pinned it; what it has beyond that are pins of their own.
            together[owner_of(state)].push_back(state.folio);
            for (std::uint64_t i = 1; i < missing; ++i) {
                to_adopt_.push_back({.pages = {state.folio}, .owner = owner_of(state)});
            }
        } else if (missing == state.folio_pages) {
            for (std::uint64_t i = 0; i < missing; ++i) {
                together[owner_of(state)].push_back(state.folio + i);
            }
        } else {
            to_adopt_.push_back(
                {.pages = std::vector<PageNumber>(missing, state.folio), .folio = true, .owner = owner_of(state)});
        }
    }
    for (auto& [owner, pages] : together) {
        to_adopt_.push_back({.pages = std::move(pages), .owner = owner});
    }
    for (const auto& [id, part] : former) {
        const auto& [pin, pages] = part;
        const auto in_order = std::views::values(pages);
        to_adopt_.push_back({.pages = {in_order.begin(), in_order.end()}, .former = pin});
    }
    report_.dropped_pins += parts_.ledger.drop_unlisted(report_.started);
}

// Whether there is somebody to be looked for, once: pages that are to be adopted.
bool Audit::look_for_owners(const std::vector<Suspect>& differing)
{
    if (!options_.repair || parts_.owners == nullptr || owners_) {
        return false;
    }
    if (parts_.former != nullptr) {
        parts_.former->refresh();
    }
    std::vector<PageState> missing;
    for (const Suspect& suspect : differing) {
        std::uint64_t known = suspect.ledger_pins;
        for (const FormerPins::Holding& holding : former_holdings(suspect)) {
            known += holding.pages.count;
        }
        if (suspect.state.pins > known) {
            missing.push_back(suspect.state);
            missing.back().page = suspect.state.folio;
        }
    }
    if (missing.empty()) {
        return false;
    }
    parts_.owners->start(std::move(missing), options_.soon ? kSearchSoon : kSearch);
    phase_ = Phase::kOwners;
    return true;
}

// Adopts a list, one at a time so that the ring does not fill with what is put back; false when it is full as it is.
Result<bool> Audit::adopt_next()
{
    if (to_adopt_.empty()) {
        return true;
    }
    Adoption& adoption = to_adopt_.back();
    const std::size_t batch = std::min(PageTruth::kBatch, adoption.pages.size());
    const auto pin = parts_.truth.adopt(std::span(adoption.pages).last(batch), adoption.folio);
    if (!pin && pin.error().code == ENOBUFS) {
        return false;
    }
    if (!pin) {
        return std::unexpected(pin.error());
    }
    report_.adopted_pins += batch;
    if (adoption.former && parts_.taken_over) {
        parts_.taken_over(*pin, *adoption.former);
        report_.former_pins += batch;
    }
    if (adoption.owner && parts_.inferred) {
        parts_.inferred(*pin, *adoption.owner);
        report_.inferred_pins += batch;
    }
    adoption.pages.resize(adoption.pages.size() - batch);
    if (adoption.pages.empty()) {
        to_adopt_.pop_back();
    }
    return true;
}

}  // namespace pinwarden
