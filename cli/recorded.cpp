#include "cli/recorded.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "publish/access.h"
#include "publish/api_server.h"
#include "publish/convert.h"
#include "publish/pin_filter.h"
#include "publish/pin_list.h"
#include "replay/replay.h"
#include "replay/replay_pipeline.h"

namespace pinwarden::cli {
namespace {

class Replayed final : public Recorded {
public:
    explicit Replayed(const v1::RecordingHead& head) : head_(head), replay_(head), pipeline_(replay_, head) {}

    std::expected<void, std::string> play(RecordingReader& reader)
    {
        summary_ = replay_.play(reader);
        auto server = ApiServer::start_within(std::make_shared<OnlyLooking>(), pipeline_, replay_.fanout(),
                                              {.conflicts = &replay_.conflicts(), .clock = &replay_.clock()});
        if (!server) {
            return std::unexpected(server.error().message);
        }
        server_ = std::move(*server);
        return {};
    }

    [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const override { return server_->channel(); }

    [[nodiscard]] v1::RecordingReport report() const override
    {
        v1::RecordingReport report;
        *report.mutable_head() = head_;
        report.set_records(summary_.records);
        report.set_lost_records(summary_.lost);
        report.set_lasted(summary_.lasted);
        report.set_pins(summary_.pins);
        report.set_pinned_bytes(summary_.pinned_bytes);
        report.set_agrees(summary_.agrees());
        report.set_damage(summary_.damage);
        return report;
    }

    [[nodiscard]] std::int64_t moment() const override
    {
        constexpr Nanoseconds kSecond = 1'000'000'000;
        return static_cast<std::int64_t>((replay_.clock().now() + replay_.clock().boot_to_unix()) / kSecond);
    }

private:
    v1::RecordingHead head_;
    Replay replay_;
    ReplayPipeline pipeline_;
    ReplaySummary summary_;
    std::unique_ptr<ApiServer> server_;
};

}  // namespace

std::expected<std::unique_ptr<Recorded>, std::string> Recorded::open(const std::string& path)
{
    auto reader = RecordingReader::open(path);
    if (!reader) {
        return std::unexpected(reader.error().message);
    }
    auto replayed = std::make_unique<Replayed>((*reader)->head());
    if (auto played = replayed->play(**reader); !played) {
        return std::unexpected(played.error());
    }
    return replayed;
}

std::expected<std::string, std::string> replay_events(const std::string& path, const v1::WatchEventsRequest& request,
                                                      const std::function<bool(const v1::WatchEventsResponse&)>& take)
{
    std::optional<PinFilter> filter;
    if (request.has_filter()) {
        auto wanted = filter_from_request(request.filter());
        if (!wanted) {
            return std::unexpected(wanted.error().message);
        }
        filter = std::move(*wanted);
    }
    auto reader = RecordingReader::open(path);
    if (!reader) {
        return std::unexpected(reader.error().message);
    }
    Replay replay((*reader)->head());
    bool enough = false;
    const ReplaySummary summary = replay.play(**reader, [&](const Notice& notice) {
        if (enough || (filter && !filter->matches(notice))) {
            return;
        }
        for (const v1::EventKind kind : event_kinds(notice)) {
            const bool asked =
                request.kinds().empty() || std::ranges::find(request.kinds(), kind) != request.kinds().end();
            enough = enough || (asked && !take(event_to_proto(notice, kind)));
        }
    });
    return enough ? std::string() : summary.damage;
}

}  // namespace pinwarden::cli
