#include "recording/recorder.h"

#include <google/protobuf/util/time_util.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "recording/build_id.h"
#include "recording/start_records.h"

namespace pinwarden {
namespace {

constexpr std::uint32_t kFormat = 1;
// Of records in a piece, about: each is sent as one message.
constexpr std::size_t kPieceBytes = std::size_t{256} << 10U;
// Of lists of pages in a piece, counted by their runs.
constexpr int kPieceRuns = 16'384;

}  // namespace

Result<std::shared_ptr<Tape>> Recorder::open()
{
    const std::scoped_lock lock(mutex_);
    if (opened_ && !opened_->closed()) {
        return fail("a recording is under way already, and there can be one only: end that `pinctl record` first",
                    EUSERS);
    }
    opened_ = std::make_shared<Tape>();
    return opened_;
}

v1::RecordingHead Recorder::head(const Ledger& ledger) const
{
    utsname system{};
    uname(&system);
    v1::RecordingHead head;
    head.set_format(kFormat);
    head.set_pinwarden_version(around_.version);
    head.set_kernel_release(system.release);
    head.set_kernel_build_id(kernel_build_id());
    head.set_machine(system.machine);
    head.set_page_bytes(static_cast<std::uint32_t>(sysconf(_SC_PAGESIZE)));
    head.set_struct_page_bytes(static_cast<std::uint32_t>(around_.geometry.struct_page_bytes));
    const Nanoseconds now = around_.clock.now();
    *head.mutable_started() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
        static_cast<std::int64_t>(now + around_.clock.boot_to_unix()));
    head.set_started_since_boot(now);
    head.set_ledger_certain(ledger.certain());
    return head;
}

void Recorder::begin(const Ledger& ledger)
{
    std::shared_ptr<Tape> tape;
    {
        const std::scoped_lock lock(mutex_);
        tape = opened_;
    }
    if (tape == nullptr) {
        return;  // whoever wanted it is gone
    }
    reel_ = Reel{.tape = tape, .scrubber = {}};
    reel_->scrubber = std::make_unique<RecordScrubber>(
        around_.geometry,
        [this](std::uint64_t number, std::uint64_t address) {
            const Frame frame = around_.names.name(address);
            v1::RecordingSymbol& symbol = *reel_->piece.add_symbols();
            symbol.set_number(number);
            symbol.set_symbol(frame.symbol);
            symbol.set_module(frame.module);
            symbol.set_offset(frame.offset);
        },
        [this](std::uint64_t id) {
            v1::RecordingCgroup& cgroup = *reel_->piece.add_cgroups();
            cgroup.set_id(id);
            cgroup.set_path(around_.cgroups.path(id));
        });
    marked_generation_.reset();
    v1::RecordResponse first;
    *first.mutable_head() = head(ledger);
    tape->add_always(std::move(first));
    tell_pins(ledger, [this](std::span<const std::byte> record) {
        add(record);
        if (reel_->records.size() >= kPieceBytes) {
            send(true);
        }
    });
    send(true);
    int runs = 0;
    for (v1::RecordingPages& pages : tell_pages(ledger)) {
        runs += pages.runs_size();
        *reel_->piece.add_pages() = std::move(pages);
        if (runs >= kPieceRuns) {
            send(true);
            runs = 0;
        }
    }
    reel_->piece.set_start_told(true);
    send(true);
    recording_ = true;
}

void Recorder::add(std::span<const std::byte> record)
{
    // What is not understood is counted as lost by whoever reads it from the ring; it is here, too.
    if (reel_->scrubber->append(record, reel_->records)) {
        ++reel_->count;
    } else {
        reel_->piece.set_lost(reel_->piece.lost() + 1);
    }
}

void Recorder::send(bool always)
{
    reel_->piece.set_records(reel_->records.data(), reel_->records.size());
    v1::RecordResponse response;
    response.mutable_piece()->Swap(&reel_->piece);
    reel_->piece.Clear();
    reel_->records.clear();
    const std::uint64_t count = std::exchange(reel_->count, 0);
    if (always) {
        reel_->tape->add_always(std::move(response));
    } else {
        reel_->tape->add(std::move(response), count);
    }
}

void Recorder::record(std::span<const std::byte> record)
{
    if (!recording_) {
        return;
    }
    add(record);
    if (reel_->records.size() >= kPieceBytes) {
        send(false);
    }
}

void Recorder::mark(const v1::RecordingState& state)
{
    if (!recording_) {
        return;
    }
    if (reel_->tape->closed()) {
        recording_ = false;
        reel_.reset();
        return;
    }
    if (reel_->count > 0 || reel_->piece.ByteSizeLong() > 0) {
        send(false);
    }
    marked_generation_ = state.policies().generation();
    v1::RecordResponse response;
    *response.mutable_state() = state;
    reel_->tape->add(std::move(response), 0);
}

}  // namespace pinwarden
