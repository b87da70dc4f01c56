// Recordings as files: see RecordingService in proto/pinwarden/v1/recording.proto for what is in them.
#pragma once

#include <pinwarden/v1/recording.pb.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace pinwarden {

// A new file that nobody but its owner can read. What was written is on the disk up to the last finish(), and in the
// file, readable, up to the last flush().
class RecordingWriter {
public:
    // Error EEXIST: there is such a file already, and `replace` is not set.
    static Result<std::unique_ptr<RecordingWriter>> create(const std::string& path, bool replace);

    RecordingWriter() = default;
    RecordingWriter(const RecordingWriter&) = delete;
    RecordingWriter& operator=(const RecordingWriter&) = delete;
    virtual ~RecordingWriter() = default;

    virtual Result<void> write(const v1::RecordResponse& part) = 0;
    virtual Result<void> flush() = 0;
    virtual Result<void> finish() = 0;
    // In the file so far.
    [[nodiscard]] virtual std::uint64_t bytes() const = 0;
};

class RecordingReader {
public:
    // Error: it cannot be read, is no recording, or is one of a format that is not known here; which, and what to do.
    static Result<std::unique_ptr<RecordingReader>> open(const std::string& path);

    RecordingReader() = default;
    RecordingReader(const RecordingReader&) = delete;
    RecordingReader& operator=(const RecordingReader&) = delete;
    virtual ~RecordingReader() = default;

    [[nodiscard]] virtual const v1::RecordingHead& head() const = 0;
    // What comes next; nothing at the end. Error: the file is damaged here, or ends in the middle of something. What
    // came before is right where the file was cut off; where bytes of it have changed, it need not be.
    virtual Result<std::optional<v1::RecordResponse>> next() = 0;
};

}  // namespace pinwarden
