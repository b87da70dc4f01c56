// Conflicts and decisions to a file, and to the journal: for whoever ships the logs of a fleet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "act/audit_file.h"
#include "base/result.h"
#include "publish/event_lines.h"
#include "publish/fanout.h"

namespace pinwarden {

class EventWriter {
public:
    // Where lines go. Error: why one was not written.
    using Sink = std::function<Result<void>(const EventLine& line)>;

    // Takes a place among the fanout's subscribers. `warn` is told when a sink fails, and when it works again, not of
    // each line. What is given must outlive the writer.
    static Result<std::unique_ptr<EventWriter>> start(Fanout& fanout, std::vector<Sink> sinks,
                                                      std::function<void(const std::string&)> warn);
    EventWriter(const EventWriter&) = delete;
    EventWriter& operator=(const EventWriter&) = delete;
    // What has been published by then is written.
    ~EventWriter();

private:
    struct Output {
        Sink sink;
        std::uint64_t failed = 0;  // lines in a row
    };

    EventWriter(std::shared_ptr<Fanout::Queue> queue, std::vector<Sink> sinks,
                std::function<void(const std::string&)> warn);
    void write_until_closed();
    void write(const EventLine& line);

    const std::shared_ptr<Fanout::Queue> queue_;
    std::vector<Output> outputs_;
    const std::function<void(const std::string&)> warn_;
    const std::string host_;
    std::thread thread_;
};

// A file that is put aside when it is full. `file` must outlive the sink.
EventWriter::Sink to_file(AuditFile& file);
// The journal, as fields beside the message: PINWARDEN_EVENT has the whole line.
EventWriter::Sink to_journal();

}  // namespace pinwarden
