#include "app/reload.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "act/audit_records.h"

namespace pinwarden {
Result<EngineOptions> engine_options(const Options& options)
{
    auto protected_processes = ProtectedProcesses::with(options.protect);
    if (!protected_processes) {
        return std::unexpected(protected_processes.error().within("protect"));
    }
    return EngineOptions{.leak_after = options.leak_after,
                         .long_lived_after = options.long_lived_after,
                         .quiet_after = options.quiet_after,
                         .memory_limit = options.memory_limit,
                         .track_short_term = options.track_short_term,
                         .cgroup_metrics = options.cgroup_metrics,
                         .protected_processes = std::move(*protected_processes)};
}

void Reloader::reload()
{
    LoadedConfiguration read = load_configuration(line_);
    const LoadedPolicies policies = load_policies(read.configuration);
    std::vector<std::string> wrong = messages_of(read.errors);
    std::ranges::move(messages_of(policies.errors), std::back_inserter(wrong));
    means_.on_engine(
        [this, wrong, configuration = std::move(read.configuration), policies = policies.policies()](Engine& engine) {
            if (wrong.empty()) {
                apply(engine, configuration, policies);
            } else {
                tell_refused(engine, wrong);
            }
        });
}

void Reloader::tell_refused(Engine& engine, const std::vector<std::string>& why)
{
    const Nanoseconds now = unix_time();
    const std::string more = why.size() > 1 ? " (and " + std::to_string(why.size() - 1) + " more, see the log)" : "";
    std::vector<std::string> notices = means_.book.waiting();
    notices.push_back("the reload at " + format_utc(now) +
                      " was refused, and what was in force before stays: " + why.front() + more);
    engine.set_reload_notices(std::move(notices));
    means_.book.refused(now, why);
    for (const std::string& message : why) {
        means_.log_error("reload refused: " + message);
    }
    means_.log_error("the configuration and the policies from before the reload stay in force");
}

void Reloader::apply(Engine& engine, const Configuration& read, const std::vector<Policy>& policies)
{
    auto options = engine_options(read.options);
    const auto applied = options ? engine.reload(policies, std::move(*options))
                                 : Result<std::vector<PolicyChange>>(std::unexpected(options.error()));
    if (!applied) {
        tell_refused(engine, {applied.error().message});
        return;
    }
    const std::vector<std::string> waiting = means_.book.applied(read, unix_time());
    for (const std::string& message : waiting) {
        means_.log_warning(message);
    }
    engine.set_reload_notices(waiting);
    means_.set_log_level(read.options.log_level);
    means_.log_info("configuration reloaded: " + std::to_string(policies.size()) + " policies of files, " +
                    std::to_string(applied->size()) + " of them changed");
}

}  // namespace pinwarden
