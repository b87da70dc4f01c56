// How the engine has its ledger compared with the kernel, and mended.
#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <utility>

#include "app/engine.h"

namespace pinwarden {
namespace {

// Between attempts to mend the ledger that left it different.
constexpr Nanoseconds kRepairAgainAfter = 10'000'000'000;
constexpr Nanoseconds kSampleEvery = 60'000'000'000;
constexpr std::uint64_t kSampleBlocks = 256;
constexpr Nanoseconds kMillisecond = 1'000'000;

}  // namespace

void Engine::audit(AuditOptions options, AuditDone done, AuditWatch watch)
{
    audits_.push_back({options, std::move(done), std::move(watch)});
    tell_waiting_audits();
}

void Engine::tell_waiting_audits() const
{
    for (std::size_t ahead = 1; ahead < audits_.size(); ++ahead) {
        if (audits_[ahead].watch.progress) {
            audits_[ahead].watch.progress({AuditPhase::kWaiting, 0, ahead});
        }
    }
}

void Engine::drop_unwanted_audits()
{
    const auto unwanted = [](const AuditRequest& request) { return request.watch.wanted && !request.watch.wanted(); };
    const Error error{"nobody waits for the audit any more", ECANCELED};
    if (audit_ && unwanted(audits_.front()) && audit_->may_be_dropped()) {
        finish_audit(std::unexpected(error));
    }
    const auto first = audits_.begin() + (audit_ ? 1 : 0);
    const auto dropped = std::stable_partition(first, audits_.end(), std::not_fn(unwanted));
    const std::vector<AuditRequest> gone(std::make_move_iterator(dropped), std::make_move_iterator(audits_.end()));
    audits_.erase(dropped, audits_.end());
    for (const AuditRequest& request : gone) {
        if (request.done) {
            request.done(std::unexpected(error));
        }
    }
}

std::optional<Nanoseconds> Engine::next_audit_step() const
{
    return audits_.empty() ? std::nullopt : std::optional(next_audit_step_);
}

void Engine::step_audit()
{
    drop_unwanted_audits();
    if (audits_.empty() || around_.clock.now() < next_audit_step_) {
        return;
    }
    if (!audit_) {
        start_audit();
    }
    const auto next = audit_->step();
    if (next && *next) {
        if (const auto& tell = audits_.front().watch.progress) {
            tell(audit_->progress());
        }
        next_audit_step_ = **next;
        return;
    }
    finish_audit(next ? Result<void>() : std::unexpected(next.error()));
}

void Engine::start_audit()
{
    look_after_losses();
    losses_before_audit_ = kernel_losses_ + other_losses_;
    complete_before_audit_ = ledger_.complete();
    audits_.front().options.lost = !complete_before_audit_;
    if (audits_.front().options.repair) {
        look_after_releases();
        tell_by_folio(true);
    }
    heard_before_audit_ = heard_;
    audit_.emplace(Audit::Parts{.ledger = ledger_,
                                .truth = around_.truth,
                                .clock = around_.clock,
                                .release = [this](const ReleaseEvent& event) { on(event); },
                                .owners = &around_.owners,
                                .inferred = [this](PinId id, const Task& owner) { inferred_[id] = owner; },
                                .former = former_,
                                .taken_over = [this](PinId id, const PinRecord& pin) { taken_over_.emplace(id, pin); }},
                   audits_.front().options);
}

void Engine::finish_audit(const Result<void>& result)
{
    const AuditRequest request = std::move(audits_.front());
    audits_.pop_front();
    const AuditReport& report = audit_->report();
    look_after_losses();
    const bool lost_more = losses_before_audit_ != kernel_losses_ + other_losses_;
    if (result) {
        if (report.differing_folios > 0 && !(report.surplus_pins == 0 && report.former_pins == report.missing_pins)) {
            log_differences(report);
        }
        ++audit_counters_.runs;
        audit_counters_.missing_pins += report.missing_pins;
        audit_counters_.surplus_pins += report.surplus_pins;
        audit_counters_.adopted_pins += report.adopted_pins;
        audit_counters_.dropped_pins += report.dropped_pins;
        audit_counters_.unsettled_folios = report.unsettled_folios;
        const bool mended = !complete_before_audit_ || report.adopted_pins > 0 || report.vague;
        if (request.options.repair && mended && !ledger_.pins().empty()) {
            last_vague_pin_ = ledger_.pins().last_id();
        }
        if (!report.exact && report.differing_folios > 0 && !request.options.repair) {
            ledger_.lost_events();
        }
        if (report.ambiguous) {
            // An owner that may be wrong is worse than none.
            ledger_.lost_events();
        }
        if (report.exact && request.options.repair && !lost_more) {
            if (report.whole_memory) {
                ledger_.verified();
            } else if (heard_before_audit_) {
                ledger_.settled();
            }
        }
    }
    const Result<AuditView> view =
        result ? Result<AuditView>(view_audit(report)) : Result<AuditView>(std::unexpected(result.error()));
    audit_.reset();
    tell_waiting_audits();
    flush();
    if (request.done) {
        request.done(view);
    }
}

// So that somebody can find the cause.
void Engine::log_differences(const AuditReport& report)
{
    constexpr std::size_t kMost = 8;
    for (std::size_t i = 0; i < std::min(kMost, report.differences.size()); ++i) {
        const AuditDifference& difference = report.differences[i];
        std::string holders;
        for (const PinId id : difference.holders) {
            if (const PinRecord* pin = ledger_.find(id)) {
                holders += (holders.empty() ? ": " : ", ") + pin->driver + " of process " +
                           std::to_string(pin->owner.process.pid) + (pin->long_term ? "" : ", brief");
            }
        }
        around_.log_warning(std::to_string(difference.folios) + " folios of " +
                            std::to_string(difference.state.folio_pages) + " pages, " +
                            (difference.state.file ? "of a file" : "of no file") + ", each pinned " +
                            std::to_string(difference.ledger_pins) + " times in the ledger and " +
                            std::to_string(difference.state.pins) + " times in the kernel" + holders);
    }
}

// What the record of an adopted pin does not tell, and its numbers of objects and address spaces, which are another
// daemon's, cannot.
void Engine::take_over(PinEvent& event, const PinRecord& former)
{
    event.time = former.acquired;
    event.long_term = former.long_term;
    event.writable = former.writable;
    event.owner = former.owner;
    event.inferred = former.inferred;
    event.stack = former.stack;
    event.user_stack = former.user_stack;
    if (event.function == PW_ADOPTED && former.function != PW_MEMFD_PIN_FOLIOS && former.function != PW_ADOPTED_FOLIO) {
        event.function = former.function;
    }
}

void Engine::adopt_what_is_pinned(std::function<void()> done, FormerPins* former)
{
    former_ = former;
    audit({.whole_memory = true, .repair = true}, [this, done = std::move(done)](const Result<AuditView>& view) {
        former_ = nullptr;
        if (!view) {
            around_.log_warning("memory could not be searched for pins from before the start: " + view.error().message);
        } else if (const AuditReport& report = view->report; report.adopted_pins > report.former_pins) {
            around_.log_warning(std::to_string(report.adopted_pins) +
                                " pinned pages were found that somebody pinned before the start; of " +
                                std::to_string(report.former_pins) + " the daemon before knew all, of " +
                                std::to_string(report.inferred_pins) + " the owners could be inferred");
        }
        if (done) {
            done();
        }
    });
}

// The ledger is mended as soon as no more is lost: while events get lost, what is mended is wrong again at once.
void Engine::mend_ledger()
{
    const Nanoseconds now = around_.clock.now();
    // While there is no room for more, what is found could not be taken in.
    if (!audits_.empty() || full_) {
        return;
    }
    if (ledger_.complete() && !ledger_.certain() && now >= next_repair_) {
        // There can only be pins too many.
        next_repair_ = now + kRepairAgainAfter;
        audit({.whole_memory = false, .soon = true, .repair = true, .unheard = true}, {});
    } else if (!ledger_.certain() && now >= next_repair_) {
        next_repair_ = now + kRepairAgainAfter;
        audit({.whole_memory = true, .soon = true, .repair = true}, [this](const Result<AuditView>& view) {
            if (!view) {
                around_.log_warning("the ledger could not be compared with the kernel: " + view.error().message);
                return;
            }
            const AuditReport& report = view->report;
            const std::string state = ledger_.certain()
                                          ? "it is exact again, " +
                                                std::to_string((around_.clock.now() - lost_last_) / kMillisecond) +
                                                " ms after the last loss was noticed"
                                          : "it is still uncertain";
            around_.log_warning(
                "ledger compared with the kernel's pin counts after a loss: " + std::to_string(report.dropped_pins) +
                " pages dropped, " + std::to_string(report.adopted_pins) + " adopted; " + state);
        });
    } else if (ledger_.certain() && now >= next_sample_) {
        next_sample_ = now + kSampleEvery;
        audit({.whole_memory = false, .repair = false, .sample = kSampleBlocks}, {});
    }
}

AuditView Engine::view_audit(const AuditReport& report) const
{
    AuditView view{.report = report,
                   .certain = ledger_.certain(),
                   .files = {},
                   .holders = {},
                   .kernel_pins = health_.pins,
                   .boot_to_unix = around_.clock.boot_to_unix()};
    for (const auto& [key, memory] : report.files) {
        if (const FileRecord* file = ledger_.find_file(key)) {
            view.files[key] = {file->path, file->filesystem, file->deleted};
        }
    }
    for (const AuditDifference& difference : report.differences) {
        if (difference.state.file) {
            if (const FileRecord* file = ledger_.find_file(*difference.state.file)) {
                view.files[*difference.state.file] = {file->path, file->filesystem, file->deleted};
            }
        }
        for (const PinId id : difference.holders) {
            if (const PinRecord* pin = ledger_.find(id)) {
                view.holders.emplace(id, PinHolder{pin->owner, pin->driver});
            }
        }
    }
    return view;
}

}  // namespace pinwarden
