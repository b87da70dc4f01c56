// SIGHUP: reads configuration and policies anew and puts what can be changed at run time in force, all or nothing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/config_book.h"
#include "app/configuration.h"
#include "app/engine.h"
#include "base/clock.h"

namespace pinwarden {

// What of the options the engine works with. Error: what is to be protected is not understood.
Result<EngineOptions> engine_options(const Options& options);

struct ReloadMeans {
    const Clock& clock;
    ConfigBook& book;
    // Has it run where the engine may be touched, now or soon, in the order of calls.
    std::function<void(std::function<void(Engine&)>)> on_engine;
    std::function<void(const std::string& level)> set_log_level;
    std::function<void(const std::string&)> log_info;
    std::function<void(const std::string&)> log_warning;
    std::function<void(const std::string&)> log_error;
};

class Reloader {
public:
    // What `means` refers to must outlive this; and this, whatever it left to run. `line`: what the daemon was started
    // with.
    Reloader(CommandLine line, ReloadMeans means) : line_(std::move(line)), means_(std::move(means)) {}

    // On any error what was in force stays, and log, status and book say why. What needs a restart is told there as
    // well.
    void reload();

private:
    void apply(Engine& engine, const Configuration& read, const std::vector<Policy>& policies);
    void tell_refused(Engine& engine, const std::vector<std::string>& why);
    [[nodiscard]] Nanoseconds unix_time() const { return means_.clock.now() + means_.clock.boot_to_unix(); }

    const CommandLine line_;
    const ReloadMeans means_;
};

}  // namespace pinwarden
