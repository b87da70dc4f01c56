#include "app/event_writer.h"

#include <sys/syslog.h>
#include <systemd/sd-journal.h>

#include <chrono>
#include <utility>

#include "base/host_name.h"

namespace pinwarden {
Result<std::unique_ptr<EventWriter>> EventWriter::start(Fanout& fanout, std::vector<Sink> sinks,
                                                        std::function<void(const std::string&)> warn)
{
    auto queue = fanout.subscribe();
    if (!queue) {
        return std::unexpected(queue.error());
    }
    return std::unique_ptr<EventWriter>(new EventWriter(std::move(*queue), std::move(sinks), std::move(warn)));
}

EventWriter::EventWriter(std::shared_ptr<Fanout::Queue> queue, std::vector<Sink> sinks,
                         std::function<void(const std::string&)> warn)
    : queue_(std::move(queue)), warn_(std::move(warn)), host_(host_name())
{
    for (Sink& sink : sinks) {
        outputs_.push_back({.sink = std::move(sink)});
    }
    thread_ = std::thread([this] { write_until_closed(); });
}

EventWriter::~EventWriter()
{
    queue_->close();
    thread_.join();
}

void EventWriter::write_until_closed()
{
    constexpr std::chrono::hours kLong{1};
    std::uint64_t lost = 0;
    while (true) {
        // In this order: what was queued before it was closed is still there.
        const bool last = queue_->closed();
        const auto popped = queue_->pop(kLong);
        if (!popped) {
            if (last) {
                return;
            }
            continue;
        }
        lost += popped->dropped_before;
        if (const auto line = event_line(*popped->item, lost, host_)) {
            lost = 0;
            write(*line);
        }
    }
}

void EventWriter::write(const EventLine& line)
{
    for (Output& output : outputs_) {
        const Result<void> written = output.sink(line);
        if (!written && output.failed++ == 0) {
            warn_("events are not written any more: " + written.error().message);
        } else if (written && output.failed > 0) {
            warn_("events are written again; " + std::to_string(output.failed) + " are missing");
            output.failed = 0;
        }
    }
}

EventWriter::Sink to_file(AuditFile& file)
{
    return [&file](const EventLine& line) { return file.append(line.json, {.sync = false, .may_turn = true}); };
}

EventWriter::Sink to_journal()
{
    return [](const EventLine& line) -> Result<void> {
        const int error =
            sd_journal_send("MESSAGE=%s", line.message.c_str(), "PRIORITY=%i", line.is_alert ? LOG_WARNING : LOG_NOTICE,
                            "SYSLOG_IDENTIFIER=pinwardend", "PINWARDEN_DATASET=%s", line.dataset.c_str(),
                            "PINWARDEN_EVENT=%s", line.json.c_str(), nullptr);
        return error == 0 ? Result<void>() : std::unexpected(system_error("write an event to the journal", -error));
    };
}

}  // namespace pinwarden
