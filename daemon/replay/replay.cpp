#include "replay/replay.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <utility>

#include "publish/convert.h"
#include "recording/scrubber.h"
#include "recording/start_records.h"

namespace pinwarden {
namespace {

// More than one record can tell.
constexpr std::size_t kNotices = 65'536;
constexpr std::size_t kSubscribers = 32;
// So many records at once, as a live pipeline takes what is in the ring.
constexpr std::size_t kBatch = 64;

Nanoseconds boot_to_unix(const v1::RecordingHead& head)
{
    const auto started =
        static_cast<Nanoseconds>(google::protobuf::util::TimeUtil::TimestampToNanoseconds(head.started()));
    return started - std::min(started, Nanoseconds{head.started_since_boot()});
}

std::uint64_t ledger_losses(const v1::GetStatusResponse& status)
{
    std::uint64_t total = 0;
    for (const v1::Loss& loss : status.losses()) {
        total += loss.affects_ledger() ? loss.count() : 0;
    }
    return total;
}

pw_header head_of(std::span<const std::byte> record)
{
    pw_header head{};
    std::memcpy(&head, record.data(), std::min(record.size(), sizeof(head)));
    return head;
}

}  // namespace

Replay::Replay(const v1::RecordingHead& head, std::function<void(const std::string&)> warn, ReplayLimits limits)
    : limits_(limits),
      geometry_(scrubbed_geometry(head.struct_page_bytes())),
      begun_(head.started_since_boot()),
      began_certain_(head.ledger_certain()),
      clock_(begun_, boot_to_unix(head)),
      fanout_(kSubscribers, kNotices),
      engine_({.clock = clock_,
               .verdicts = verdicts_,
               .holds = holds_,
               .signals = signals_,
               .audit_log = audit_log_,
               .paths = paths_,
               .truth = truth_,
               .processes = processes_,
               .owners = owners_,
               .names = names_,
               .cgroups = cgroups_,
               .fanout = fanout_,
               .log_warning =
                   [warn = std::move(warn)](const std::string& text) {
                       if (warn) {
                           warn(text);
                       }
                   },
               .conflicts = &conflicts_},
              geometry_, head.kernel_release())
{
}

void Replay::run_until(Nanoseconds time)
{
    // What is due at a moment may stay due: then it is for later.
    for (auto next = engine_.next_tick(); next && *next < time && *next > clock_.now(); next = engine_.next_tick()) {
        clock_.advance(*next);
        engine_.tick();
        engine_.flush();
    }
    clock_.advance(time);
}

void Replay::pass_on()
{
    if (!notices_) {
        return;
    }
    while (auto popped = notices_->pop(std::chrono::seconds(0))) {
        notice_(*popped->item);
    }
}

void Replay::step(std::span<const std::byte> record)
{
    const pw_header head = head_of(record);
    // Records of the start have the times of their pins, long before.
    if (head.time > begun_) {
        run_until(head.time);
    }
    ++summary_.records;
    if (head.kind != PW_KIND_OPERATION || record.size() < sizeof(pw_operation)) {
        engine_.step(record);
        return;
    }
    pw_operation operation{};
    std::memcpy(&operation, record.data(), sizeof(operation));
    if (operation.generation == recorded_generation_) {
        operation.generation = static_cast<__u32>(generation_);
    } else if (operation.generation == recorded_generation_before_) {
        operation.generation = static_cast<__u32>(generation_before_);
    } else {
        operation.generation = std::numeric_limits<__u32>::max();
    }
    engine_.step(std::as_bytes(std::span(&operation, 1)));
}

Result<void> Replay::play(const v1::RecordingPages& pages)
{
    const auto count = count_pages(pages);
    if (!count) {
        return std::unexpected(count.error());
    }
    if (*count > limits_.most_pages - pages_) {
        return fail("more than " + std::to_string(limits_.most_pages) + " pages were pinned when it began", EILSEQ);
    }
    pages_ += *count;
    pages_as_records(pages, geometry_, [this](std::span<const std::byte> record) { engine_.step(record); });
    return {};
}

Result<void> Replay::play(const v1::RecordingPiece& piece)
{
    for (const v1::RecordingSymbol& symbol : piece.symbols()) {
        names_.learn(symbol);
    }
    for (const v1::RecordingCgroup& cgroup : piece.cgroups()) {
        cgroups_.learn(cgroup);
    }
    if (piece.lost() > 0) {
        summary_.lost += piece.lost();
        lost_pieces_ += piece.lost();
        verdicts_.set_losses(lost_pieces_);
    }
    std::span<const std::byte> rest = std::as_bytes(std::span(piece.records()));
    for (std::size_t taken = 1; rest.size() >= sizeof(pw_header); ++taken) {
        // Whatever is wrong with a record is the decoder's to find; its length is all that matters here.
        const std::size_t bytes = std::clamp<std::size_t>(head_of(rest).bytes, sizeof(pw_header), rest.size());
        step(rest.first(bytes));
        rest = rest.subspan(bytes);
        if (taken % kBatch == 0) {
            engine_.flush();
            pass_on();
        }
    }
    for (const v1::RecordingPages& pages : piece.pages()) {
        if (const auto played = play(pages); !played) {
            return std::unexpected(played.error().within("the recording is damaged, or was made to mislead"));
        }
    }
    if (piece.start_told()) {
        engine_.start_is_told(began_certain_);
    }
    engine_.flush();
    pass_on();
    return {};
}

void Replay::play(const v1::RecordingState& state)
{
    run_until(state.time());
    const std::uint64_t losses = ledger_losses(state.status());
    if (!has_state_) {
        losses_before_ = losses;
        has_state_ = true;
    }
    verdicts_.set_losses(lost_pieces_ + losses - std::min(losses, losses_before_));
    if (state.policies().generation() != recorded_generation_) {
        v1::ApplyPolicyRequest request;
        for (const v1::PolicyStatus& status : state.policies().policies()) {
            *request.add_policies() = status.policy();
        }
        auto policies = request.policies().empty() ? Result<std::vector<Policy>>(std::vector<Policy>())
                                                   : policies_from_request(request);
        if (policies) {
            static_cast<void>(engine_.reload(*policies, EngineOptions()));
        }
        recorded_generation_before_ = std::exchange(recorded_generation_, state.policies().generation());
        generation_before_ = std::exchange(generation_, engine_.policy_generation());
    }
    engine_.tick();
    engine_.flush();
    pass_on();
    state_ = state;
    summary_.recorded_pins = state.pins();
    summary_.recorded_bytes = state.pinned_bytes();
    summary_.pins = engine_.ledger().shown_pins();
    summary_.pinned_bytes = engine_.ledger().pinned_bytes();
}

ReplaySummary Replay::play(RecordingReader& reader, const std::function<void(const Notice&)>& notice)
{
    if (notice) {
        notice_ = notice;
        notices_ = fanout_.subscribe().value_or(nullptr);
    }
    for (;;) {
        const auto part = reader.next();
        if (!part) {
            summary_.damage = part.error().message;
            break;
        }
        if (!*part) {
            break;
        }
        if ((*part)->has_piece()) {
            if (const auto played = play((*part)->piece()); !played) {
                summary_.damage = played.error().message + ". What comes before is shown";
                break;
            }
        } else if ((*part)->has_state()) {
            play((*part)->state());
        }
    }
    notices_.reset();
    summary_.lasted = clock_.now() - begun_;
    return summary_;
}

}  // namespace pinwarden
