// What of a recording waits to be written by its client. Filled by the pipeline's thread, emptied by a serving one.
#pragma once

#include <pinwarden/v1/recording.pb.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace pinwarden {

class Tape {
public:
    // Records beyond that are lost. What was pinned at the start is told in any case.
    static constexpr std::size_t kMostBytes = std::size_t{16} << 20U;

    explicit Tape(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

    // Never waits. Of a piece there is no room for, `records` are counted as lost, and the next piece that is taken
    // says so; what its numbers stand for is kept for that one.
    void add(v1::RecordResponse response, std::uint64_t records);
    // The same, but there is always room.
    void add_always(v1::RecordResponse response);

    // What comes next; nothing when there was nothing for so long, or when the tape is closed and empty.
    std::optional<v1::RecordResponse> take(std::chrono::milliseconds wait);

    void close();
    [[nodiscard]] bool closed() const;

private:
    struct Waiting {
        v1::RecordResponse response;
        std::size_t bytes = 0;
    };
    void push(v1::RecordResponse response);

    const std::size_t most_bytes_;
    mutable std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<Waiting> waiting_;
    std::size_t bytes_ = 0;
    v1::RecordingPiece dropped_;  // what it lost, and what numbers stand for that was in what is dropped
    bool closed_ = false;
};

}  // namespace pinwarden
