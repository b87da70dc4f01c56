#include "replay/replay_print.h"

#include <google/protobuf/util/json_util.h>

#include <cerrno>
#include <cstdio>

#include "publish/convert.h"
#include "replay/replay.h"

namespace pinwarden {
namespace {

void print(const Notice& notice)
{
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    for (const v1::EventKind kind : event_kinds(notice)) {
        std::string line;
        if (google::protobuf::util::MessageToJsonString(event_to_proto(notice, kind), &line, options).ok()) {
            std::printf("%s\n", line.c_str());
        }
    }
}

}  // namespace

Result<void> print_replay(const std::string& path)
{
    auto reader = RecordingReader::open(path);
    if (!reader) {
        return std::unexpected(reader.error());
    }
    Replay replay((*reader)->head(),
                  [](const std::string& text) { std::fprintf(stderr, "warning: %s\n", text.c_str()); });
    const ReplaySummary summary = replay.play(**reader, print);
    std::fflush(stdout);
    std::fprintf(
        stderr,
        "replayed %llu records of %.3f s on kernel %s: %llu pins with %llu bytes at the end, the ledger is %s, "
        "%llu records were lost while recording\n",
        static_cast<unsigned long long>(summary.records), static_cast<double>(summary.lasted) / 1e9,
        (*reader)->head().kernel_release().c_str(), static_cast<unsigned long long>(summary.pins),
        static_cast<unsigned long long>(summary.pinned_bytes),
        replay.engine().ledger().certain() ? "certain" : "uncertain", static_cast<unsigned long long>(summary.lost));
    if (!summary.damage.empty()) {
        return fail(summary.damage, EILSEQ);
    }
    if (!summary.recorded_pins) {
        return fail(path + " has no state of the daemon in it, so that nothing can be compared: record for longer",
                    ENODATA);
    }
    if (!summary.agrees()) {
        return fail("the daemon that recorded had " + std::to_string(*summary.recorded_pins) + " pins with " +
                        std::to_string(*summary.recorded_bytes) +
                        " bytes at the end: events were lost, or one of both is wrong",
                    EILSEQ);
    }
    return {};
}

}  // namespace pinwarden
