#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/config_check.h"
#include "app/configuration.h"
#include "app/daemon.h"
#include "app/service_notify.h"
#include "policy/path_resolver.h"
#include "replay/replay_print.h"

namespace {

using namespace pinwarden;  // NOLINT: this file is nothing else

constexpr int kWrongUsage = 2;

int complain(const std::vector<std::string>& errors)
{
    // The journal takes <3> for the level of an error.
    const char* const level = stderr_is_journal() ? "<3>" : "";
    for (const std::string& error : errors) {
        std::fprintf(stderr, "%spinwardend: %s\n", level, error.c_str());
    }
    return errors.empty() ? 0 : 1;
}

int report(const Result<void>& result)
{
    return result ? 0 : complain({result.error().message});
}

int check(const CommandLine& line)
{
    SystemPathResolver paths(HostRoot(load_configuration(line).configuration.options.host_root));
    const ConfigCheck checked = check_config(line, paths);
    std::fputs(checked.text.c_str(), stdout);
    return complain(checked.errors);
}

int run(const CommandLine& line)
{
    const LoadedConfiguration read = load_configuration(line);
    if (!read.errors.empty()) {
        const int status = complain(messages_of(read.errors));
        // Without any file it is the command line that is wrong.
        return read.configuration.files.empty() ? kWrongUsage : status;
    }
    return report(run_daemon(line, read.configuration));
}

// What only mends something must not depend on what is configured.
int perform(const CommandLine& line)
{
    switch (line.errand) {
        case Errand::kRun: return run(line);
        case Errand::kCheckConfig: return check(line);
        case Errand::kReplay: return report(print_replay(line.recording));
        case Errand::kProbe: return report(probe());
        case Errand::kReleaseHolds: return report(release_holds());
        case Errand::kReleaseKept: return report(release_kept());
        case Errand::kRepair: return report(mend(load_configuration(line).configuration.options));
    }
    return kWrongUsage;
}

}  // namespace

int main(int count, char** arguments)
{
    const auto line = parse_command_line(count, arguments);
    if (!line) {
        std::fputs(line.error().text.c_str(), line.error().status == 0 ? stdout : stderr);
        return line.error().status;
    }
    return perform(*line);
}
