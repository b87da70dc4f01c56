// A recording through the whole pipeline: decode → ledger → correlate → policy → publish, with the very code that runs
// on a live kernel.
#pragma once

#include <pinwarden/v1/recording.pb.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/engine.h"
#include "publish/conflict_history.h"
#include "publish/fanout.h"
#include "recording/recording_file.h"
#include "replay/recorded_machine.h"

namespace pinwarden {

// What became of it.
struct ReplaySummary {
    std::uint64_t records = 0;
    std::uint64_t lost = 0;  // that whoever recorded was too slow for
    Nanoseconds lasted = 0;  // from its beginning to the last thing in it
    std::uint64_t pins = 0;  // listed at its end
    std::uint64_t pinned_bytes = 0;
    // By the last state in the recording the daemon had these; nothing: there is no state in it.
    std::optional<std::uint64_t> recorded_pins = {};
    std::optional<std::uint64_t> recorded_bytes = {};
    std::string damage = {};  // why the rest of the file could not be read; empty: it was whole

    // Whether the pipeline came to the same as the daemon that recorded.
    [[nodiscard]] bool agrees() const { return recorded_pins == pins && recorded_bytes == pinned_bytes; }
};

// What a recording may ask for: few bytes of a file can claim that any number of pages was pinned, and each takes time
// and memory.
struct ReplayLimits {
    // Of those pinned when it began, each as often as it was: 16 TiB, for which the ledger takes 1.4 GiB and more.
    std::uint64_t most_pages = 1ULL << 32U;
};

class Replay {
public:
    // `warn` is told what the pipeline would log.
    explicit Replay(const v1::RecordingHead& head, std::function<void(const std::string&)> warn = {},
                    ReplayLimits limits = {});

    // All that is left of the recording. `notice` is called for each thing that happened, in order. `damage` of the
    // summary says so if it ends early: the file does, or something in it cannot be.
    ReplaySummary play(RecordingReader& reader, const std::function<void(const Notice&)>& notice = {});

    [[nodiscard]] Engine& engine() { return engine_; }
    [[nodiscard]] const Clock& clock() const { return clock_; }
    [[nodiscard]] Fanout& fanout() { return fanout_; }
    [[nodiscard]] const ConflictHistory& conflicts() const { return conflicts_; }
    // The last one, or an empty one.
    [[nodiscard]] const v1::RecordingState& last_state() const { return state_; }

private:
    Result<void> play(const v1::RecordingPiece& piece);
    Result<void> play(const v1::RecordingPages& pages);
    void play(const v1::RecordingState& state);
    void step(std::span<const std::byte> record);
    void run_until(Nanoseconds time);
    void pass_on();

    ReplayLimits limits_;
    std::uint64_t pages_ = 0;  // so many were told of the start
    PageGeometry geometry_;
    Nanoseconds begun_;
    bool began_certain_;
    RecordedClock clock_;
    RecordedNames names_;
    RecordedCgroups cgroups_;
    RecordedVerdicts verdicts_;
    RecordedHolds holds_;
    RecordedSignals signals_;
    NoAuditLog audit_log_;
    RecordedPaths paths_;
    RecordedTruth truth_;
    RecordedProcesses processes_;
    NoOwners owners_;
    Fanout fanout_;
    ConflictHistory conflicts_;
    Engine engine_;
    std::shared_ptr<Fanout::Queue> notices_;
    std::function<void(const Notice&)> notice_;
    v1::RecordingState state_;
    bool has_state_ = false;
    std::uint64_t losses_before_ = 0;
    std::uint64_t lost_pieces_ = 0;
    // What the recorded generations of policies are here.
    std::uint64_t recorded_generation_ = 0;
    std::uint64_t generation_ = 0;
    std::uint64_t recorded_generation_before_ = 0;
    std::uint64_t generation_before_ = 0;
    ReplaySummary summary_;
};

}  // namespace pinwarden
