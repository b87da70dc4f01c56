#include "app/engine.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "app/views.h"
#include "decode/paths.h"

namespace pinwarden {
namespace {

Nanoseconds time_of(std::span<const std::byte> record)
{
    pw_header header{};
    std::memcpy(&header, record.data(), std::min(record.size(), sizeof(header)));
    return header.time;
}

// When nothing was lost for that long, losing has ended.
constexpr Nanoseconds kLosingEnds = 100'000'000;

// How long a pin may wait for its page list before it is announced without: the list was lost.
constexpr Nanoseconds kAnnounceAfter = 1'000'000'000;

}  // namespace

Engine::Engine(Surroundings surroundings, PageGeometry geometry, std::string kernel_release, EngineOptions options)
    : around_(std::move(surroundings)),
      options_(std::move(options)),
      decoder_(geometry),
      drivers_(around_.names),
      owners_(around_.cgroups),
      enforcer_(around_.verdicts, around_.paths),
      holds_(around_.holds),
      buckets_(around_.clock.now()),
      revoker_({around_.signals, around_.audit_log, buckets_, around_.clock}, options_.protected_processes),
      revocations_(revoker_),
      kernel_release_(std::move(kernel_release)),
      started_(around_.clock.now()),
      owner_check_(around_.processes)
{
    if (around_.files != nullptr) {
        room_.emplace(*around_.files);
    }
}

void Engine::reads(std::uint64_t ring_used, std::uint64_t ring_size)
{
    if (ring_used > 0) {
        ring_used_.observe(around_.clock.now(), ring_used);
    }
    ring_size_ = ring_size;
    first_of_batch_ = true;
}

void Engine::step(std::span<const std::byte> record)
{
    auto event = decoder_.decode(record);
    if (!event) {
        ++daemon_losses_.undecodable;
        ledger_.lost_events();
        around_.log_warning("record from the kernel not understood: " + event.error().message);
        return;
    }
    if (std::exchange(first_of_batch_, false)) {
        // No record of the batch has waited longer.
        const Nanoseconds now = around_.clock.now();
        lag_.observe(now, now - std::min(now, time_of(record)));
    }
    std::visit([this](auto& one) { on(one); }, *event);
}

void Engine::on(PinEvent& event)
{
    const auto former = taken_over_.extract(event.pin);
    if (former) {
        take_over(event, former.mapped());
    }
    if (full_ && event.error == 0) {
        ++daemon_losses_.memory_limit;
        inferred_.erase(event.pin);
        return;
    }
    if (event.error == 0 && !event.long_term) {
        // Most are gone in a moment: who it was is asked when it stays.
        ledger_.pin(event, {});
        return;
    }
    if (auto found = inferred_.extract(event.pin)) {
        event.owner = std::move(found.mapped());
        event.inferred = true;
    }
    // Of a former owner this daemon was not told which program it runs.
    if (!former) {
        event.owner.names = owners_.of(event.owner);
    }
    if (event.error != 0) {
        on_failed(event);
        return;
    }
    const PinRecord* first = event.more ? ledger_.first_of(event.scope) : nullptr;
    if (first != nullptr) {
        event.stack = first->stack;
        event.user_stack = first->user_stack;
    }
    const std::string driver = first != nullptr ? first->driver : drivers_.of(event.stack);
    ++acquired_[driver];
    unannounced_[event.pin] = event.time;
    ledger_.pin(event, driver);
    if (former && former.mapped().owner_exited) {
        on(ExitEvent{former.mapped().orphaned, event.owner.process});
    }
}

void Engine::start_is_told(bool certain)
{
    // Pages that are in no list were let go before.
    ledger_.drop_unlisted(std::numeric_limits<Nanoseconds>::max());
    if (certain) {
        ledger_.verified();
    }
}

void Engine::on_failed(const PinEvent& event)
{
    FailedPin failure = view_failure(event, around_.names);
    if (around_.fanout.has_subscribers()) {
        announce(event.time, FailedNotice{failure});
    }
    failures_.add(std::move(failure));
}

void Engine::on(const ReleaseEvent& event)
{
    ReleaseOutcome outcome = ledger_.release(event);
    around_.verdicts.untrack(outcome.let_go);
    for (Released& part : outcome.released) {
        // The first and the last part of a release carry the record; what lies between is not news.
        if (part.record.id == 0 || !part.record.shown() || part.bytes == 0) {
            continue;
        }
        if (part.fully) {
            ++released_[part.record.driver];
            pin_lifetimes_.observe(event.time - std::min(event.time, part.record.acquired));
            if (part.record.owner_exited && part.rule != ReleaseRule::kRepair) {
                orphan_releases_.observe(event.time - std::min(event.time, part.record.orphaned));
            }
        }
        if (!around_.fanout.has_subscribers()) {
            unannounced_.erase(part.pin);
            continue;
        }
        PinView view = view_pin(std::move(part.record), ledger_, around_.names);
        if (unannounced_.erase(part.pin) != 0) {
            announce(view.pin.acquired, PinnedNotice{view});
        }
        announce(event.time, ReleasedNotice{std::move(view), part.bytes, part.fully, part.rule});
    }
}

void Engine::on(FileEvent& event)
{
    // What was pinned before the start, or without FOLL_LONGTERM, is found by its pages: they do not tell through which
    // mount it was mapped.
    if (event.cut && event.parts.size() == 1 && event.parts.front().device != 0) {
        PathPart& part = event.parts.front();
        if (auto place = around_.paths.mounted(part.device, part.root + part.path)) {
            part.root = std::move(place->root);
            part.path = std::move(place->path);
            event.parts.push_back({0, "", std::move(place->mountpoint)});
            event.cut = false;
            event.path = path_of(event.parts, event.cut);
        }
    }
    ledger_.file(event);
}

Conflict Engine::conflict_of(const OperationEvent& operation) const
{
    Conflict conflict = correlate(ledger_, operation);
    if (operation.operation == PW_OPERATION_UMOUNT) {
        const auto mounted = around_.paths.mounted(operation.file.device, "/");
        conflict.path = mounted ? mounted->mountpoint : std::string();
    }
    return conflict;
}

void Engine::on(OperationEvent& event)
{
    event.caller.names = owners_.of(event.caller);
    settle(event);
    Conflict conflict = conflict_of(event);
    if (event.verdict == PW_VERDICT_HOLD) {
        holds_.begin(event);
    }
    enforcer_.count(event);
    record_decision(conflict);
    // One that was held until this was decided has been counted.
    if (event.hold == 0 || event.verdict == PW_VERDICT_HOLD) {
        count_conflict(to_string(event.operation), conflict.pins, event.verdict);
    }
    if (event.verdict == PW_VERDICT_SIGNAL) {
        signal_about(event, conflict);
    }
    if (around_.conflicts != nullptr) {
        around_.conflicts->add(past_conflict(conflict, enforcer_.deciding(event)));
    }
    if (around_.fanout.has_subscribers()) {
        announce_pins();
        announce(event.time, ConflictNotice{view_conflict(std::move(conflict), enforcer_.deciding(event))});
    }
}

void Engine::on(NotifierEvent& event)
{
    event.owner.names = owners_.of(event.owner);
    std::string driver;
    if (!event.gone) {
        const std::uint64_t callback[] = {event.callback};
        driver = drivers_.of(callback);
    }
    notifiers_.apply(event, std::move(driver));
}

void Engine::on(InvalidationEvent& event)
{
    event.caller.names = owners_.of(event.caller);
    const auto conflict = correlate(ledger_, event, ledger_.invalidate(event));
    if (!conflict) {
        return;
    }
    const auto& policies = enforcer_.policies().policies();
    const InvalidationDecision decision =
        decide({policies, enforcer_.compiled()}, *conflict, ledger_, around_.clock.now());
    const Decided& decided = decision.decided;
    const Policy* policy = decided.policy < 0 ? nullptr : &policies[static_cast<std::size_t>(decided.policy)];
    enforcer_.tally(decided);
    count_conflict(to_string(event.operation), conflict->pins, decided.verdict);
    if (decided.verdict == PW_VERDICT_SIGNAL) {
        signal_about(*conflict, *policy, decision.pins);
    }
    if (around_.conflicts != nullptr) {
        around_.conflicts->add(past_invalidation(*conflict, policy, decided.verdict));
    }
    if (around_.fanout.has_subscribers()) {
        announce_pins();
        announce(event.time,
                 InvalidationNotice{view_invalidation(*conflict, policy, decided.verdict, ledger_, around_.names)});
    }
}

void Engine::look_for_long_lived()
{
    const Nanoseconds now = around_.clock.now();
    if (now < options_.long_lived_after) {
        return;
    }
    for (const PinId id : ledger_.take_long_lived(now - options_.long_lived_after)) {
        const PinRecord& pin = *ledger_.find(id);
        const std::string driver = drivers_.of(pin.stack);
        ledger_.identify(id, driver, owners_.of(pin.owner));
        ++acquired_[driver];
        unannounced_[id] = now;
        record_files(id);
    }
}

// Its ranges come through the ring, so they are known a moment later.
void Engine::record_files(PinId id)
{
    const std::uint64_t address = ledger_.find(id)->address;
    std::vector<PageNumber> pages;
    std::uint64_t first = 0;
    const auto flush = [&] {
        if (!pages.empty()) {
            warn(around_.truth.record_files(id, address + (first << PW_PAGE_SHIFT), pages));
            pages.clear();
        }
    };
    for (const Extent& extent : ledger_.listed_pages(id)) {
        for (std::uint64_t i = 0; i < extent.count; ++i) {
            if (pages.size() == PageTruth::kBatch || first + pages.size() != extent.position + i) {
                flush();
                first = extent.position + i;
            }
            pages.push_back(extent.first + i);
        }
    }
    flush();
}

std::optional<Nanoseconds> Engine::next_tick() const
{
    std::optional<Nanoseconds> next = enforcer_.next_tick();
    const auto earlier = [&next](std::optional<Nanoseconds> since, Nanoseconds after) {
        if (since) {
            next = std::min(next.value_or(*since + after), *since + after);
        }
    };
    earlier(ledger_.orphans().next(), options_.leak_after);
    earlier(ledger_.oldest_brief(), options_.long_lived_after);
    if (!ledger_.certain() && !full_ && audits_.empty()) {
        earlier(next_repair_, 0);
    }
    return next;
}

void Engine::announce(Nanoseconds time, decltype(Notice::what) what)
{
    around_.fanout.publish({time, around_.clock.boot_to_unix(), std::move(what)});
}

void Engine::announce_pins()
{
    const bool anyone = around_.fanout.has_subscribers();
    const Nanoseconds now = around_.clock.now();
    for (auto waiting = unannounced_.begin(); waiting != unannounced_.end();) {
        const PinRecord* pin = ledger_.find(waiting->first);
        if (anyone && pin != nullptr && pin->listed_pages < pin->pinned_pages &&
            waiting->second + kAnnounceAfter > now) {
            ++waiting;
            continue;
        }
        if (anyone && pin != nullptr) {
            announce(pin->acquired, PinnedNotice{view_pin(*pin, ledger_, around_.names)});
        }
        waiting = unannounced_.erase(waiting);
    }
}

void Engine::warn(const Result<void>& result)
{
    if (!result) {
        around_.log_warning(result.error().message);
    }
}

// What was lost is lost for the ledger from this moment on; how much each cause lost is read less often.
void Engine::look_after_losses()
{
    const std::uint64_t in_kernel = around_.verdicts.losses();
    const std::uint64_t elsewhere =
        daemon_losses_.missed_runs + daemon_losses_.undecodable + daemon_losses_.memory_limit + blind_looks_;
    if (in_kernel == kernel_losses_ && elsewhere == other_losses_) {
        return;
    }
    kernel_losses_ = in_kernel;
    other_losses_ = elsewhere;
    ledger_.lost_events();
    lost_last_ = around_.clock.now();
    next_repair_ = lost_last_ + kLosingEnds;
}

void Engine::tell_by_folio(bool on)
{
    if (on != by_folio_) {
        around_.verdicts.tell_by_folio(on);
        by_folio_ = on;
    }
}

// Pins made since are on the pages the kernel named; once there are no others, pages are told apart again.
void Engine::look_for_old_pins()
{
    const auto& pins = ledger_.pins();
    const bool none_left = pins.empty() || pins.first_id() > last_vague_pin_;
    const bool repairing = audit_ && audits_.front().options.repair;
    if (by_folio_ && none_left && ledger_.certain() && !repairing) {
        tell_by_folio(false);
    }
}

void Engine::tell_certainty()
{
    if (!ledger_.complete()) {
        tell_by_folio(true);
    }
    const auto complete = ledger_.complete() ? std::optional(kernel_losses_) : std::nullopt;
    if (complete != told_complete_) {
        around_.verdicts.trust_ledger(complete);
        told_complete_ = complete;
    }
}

void Engine::tell_changed_files()
{
    if (const auto changed = ledger_.take_changed_files(); !changed.empty()) {
        warn(enforcer_.update(changed, ledger_, around_.clock.now()));
        holds_.look_again();
    }
}

void Engine::flush()
{
    look_after_losses();
    look_after_cgroups();
    look_after_releases();
    // While a pin is in doubt its file stays unresolved.
    if (ledger_.certain() || !ledger_.complete()) {
        tell_changed_files();
    }
    // After what is known of the files, which counts again with it.
    tell_certainty();
    if (const std::uint64_t gone = ledger_.unfollowed_gone(); gone != told_unfollowed_gone_) {
        around_.verdicts.forget_unfollowed(gone);
        told_unfollowed_gone_ = gone;
    }
    announce_pins();
    step_holds();
}

void Engine::tick(KernelHealth health)
{
    health_ = std::move(health);
    daemon_losses_.subscriber_dropped = around_.fanout.dropped();
    daemon_losses_.notifiers_left_out = notifiers_.left_out();
    // A call that is being caught just now looks lost until it is.
    daemon_losses_.missed_runs = std::max(daemon_losses_.missed_runs, health_.missed.ledger);
    daemon_losses_.missed_reports = health_.missed.reports;
    daemon_losses_.switched_off = health_.times_switched_off;
    look_after_switch();
    const std::uint64_t lost = ledger_losses(losses());
    if (lost > losses_told_) {
        around_.log_warning(std::to_string(lost - losses_told_) +
                            " events lost: the list of pins may be incomplete from now on");
        losses_told_ = lost;
    }
    tick();
}

// Each look that finds the hooks off is a loss of its own, and so is the first that finds them on again: the ledger is
// not mended before.
void Engine::look_after_switch()
{
    const bool was_off = std::exchange(switched_off_, health_.switched_off);
    blind_looks_ += switched_off_ || was_off ? 1U : 0U;
    if (switched_off_ && !was_off) {
        around_.log_warning(
            "kernel.ftrace_enabled is 0: no hook runs, so that nothing is seen and nothing is denied or held; set it "
            "to 1");
    } else if (was_off && !switched_off_) {
        around_.log_warning("kernel.ftrace_enabled is not 0 any more: hooks run again");
    }
}

void Engine::tick()
{
    look_after_memory();
    look_after_losses();
    mend_ledger();
    look_for_old_pins();
    look_after_owners();
    warn(enforcer_.tick(ledger_, around_.clock.now()));
    look_at_record(around_.audit_log.step());
    flush();
    // Last, so that they are announced with their files.
    look_for_long_lived();
}

// One that was made may be one that a policy means.
void Engine::look_after_cgroups()
{
    if (!enforcer_.cgroups_were_made()) {
        return;
    }
    warn(enforcer_.cgroups_changed(ledger_, around_.clock.now()));
    holds_.look_again();
}

void Engine::mounts_changed()
{
    flush();
    around_.paths.mounts_changed();
    warn(enforcer_.mounts_changed(ledger_, around_.clock.now()));
    holds_.look_again();
}

}  // namespace pinwarden
