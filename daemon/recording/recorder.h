// The pipeline's side of a recording: every record that comes from the ring passes here, and goes on a tape while
// somebody records.
#pragma once

#include <pinwarden/v1/recording.pb.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ledger/driver.h"
#include "ledger/ledger.h"
#include "ledger/owner_names.h"
#include "recording/scrubber.h"
#include "recording/tape.h"

namespace pinwarden {

// But for open() everything is for the pipeline's thread.
class Recorder {
public:
    // What must outlive it, and what is the same for every recording.
    struct Surroundings {
        const Clock& clock;
        StackNamer& names;
        CgroupNamer& cgroups;
        PageGeometry geometry;
        std::string version;
    };

    explicit Recorder(Surroundings around) : around_(std::move(around)) {}

    // A tape for a recording that begin() is to be called for next; closing it ends that. From any thread. Error
    // EUSERS: there is one already.
    Result<std::shared_ptr<Tape>> open();

    // Puts the head on the tape and what is pinned now.
    void begin(const Ledger& ledger);
    // A record from the ring, before the pipeline takes it. Cheap while nobody records.
    void record(std::span<const std::byte> record);
    // Puts what came so far on the tape, and behind it what the daemon makes of it.
    void mark(const v1::RecordingState& state);
    // Whether the policies have changed since the last mark: an operation is told with the generation that decided it,
    // which has to be known before.
    [[nodiscard]] bool wants_mark(std::uint64_t generation) const
    {
        return recording() && marked_generation_ != generation;
    }
    [[nodiscard]] bool recording() const { return recording_; }

private:
    struct Reel {
        std::shared_ptr<Tape> tape;
        std::unique_ptr<RecordScrubber> scrubber;
        std::vector<std::byte> records = {};
        std::uint64_t count = 0;  // of records in that
        v1::RecordingPiece piece = {};
    };
    void add(std::span<const std::byte> record);
    // `always`: there is room for it whatever waits already.
    void send(bool always);
    v1::RecordingHead head(const Ledger& ledger) const;

    Surroundings around_;
    std::mutex mutex_;
    std::shared_ptr<Tape> opened_;  // under mutex_
    std::optional<Reel> reel_;
    std::atomic<bool> recording_ = false;
    std::optional<std::uint64_t> marked_generation_;
};

}  // namespace pinwarden
