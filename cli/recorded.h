// A recording in place of a daemon: the same questions, asked of what the pipeline makes of the file.
#pragma once

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinctl.pb.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace pinwarden::cli {

class Recorded {
public:
    // Replays all of it. Error: what is wrong with the file.
    static std::expected<std::unique_ptr<Recorded>, std::string> open(const std::string& path);

    Recorded() = default;
    Recorded(const Recorded&) = delete;
    Recorded& operator=(const Recorded&) = delete;
    virtual ~Recorded() = default;

    // Must not outlive this.
    [[nodiscard]] virtual std::shared_ptr<grpc::Channel> channel() const = 0;
    // How it ended, without groups.
    [[nodiscard]] virtual v1::RecordingReport report() const = 0;
    // Its end, in seconds since the Unix epoch.
    [[nodiscard]] virtual std::int64_t moment() const = 0;
};

// Replays the file and hands over the events that are asked for, in order, until `take` wants no more. Returns why the
// rest of the file could not be read; empty: it was whole. Error: what is wrong with the file or the request.
std::expected<std::string, std::string> replay_events(const std::string& path, const v1::WatchEventsRequest& request,
                                                      const std::function<bool(const v1::WatchEventsResponse&)>& take);

}  // namespace pinwarden::cli
