// A recording in place of a daemon: the same questions, asked of what the pipeline makes of the file.
#pragma once

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinctl.pb.h>

#include <cstdint>
#include <expected>
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

}  // namespace pinwarden::cli
