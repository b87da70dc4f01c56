// What the daemon was started with, what of it a reload has changed, and what became of the last reload.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "publish/config_view.h"

namespace pinwarden {

// Any thread, at any time.
class ConfigBook final : public ConfigSource {
public:
    explicit ConfigBook(Configuration started) : started_(started), read_(std::move(started)) {}

    // What can be changed at run time is so now, to what was read. `time`: since the Unix epoch. Returns what waits for
    // a restart.
    std::vector<std::string> applied(Configuration read, Nanoseconds time);
    // Everything stays.
    void refused(Nanoseconds time, std::vector<std::string> why);

    // What was read, differs from what is in force, and cannot be changed at run time: a sentence each.
    [[nodiscard]] std::vector<std::string> waiting() const;
    [[nodiscard]] ConfigView config() const override;

private:
    [[nodiscard]] std::vector<std::string> find_waiting() const;

    mutable std::mutex mutex_;
    const Configuration started_;
    Configuration read_;  // last, without a mistake
    std::optional<ReloadView> last_reload_;
};

}  // namespace pinwarden
