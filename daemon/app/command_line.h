// The daemon's command line.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "app/option_table.h"
#include "publish/config_view.h"

namespace pinwarden {

inline constexpr const char* kDefaultConfig = "/etc/pinwarden/pinwarden.yaml";

enum class Errand : std::uint8_t { kRun, kCheckConfig, kProbe, kReleaseHolds, kReleaseKept, kRepair, kReplay };

// That an option was given, with values that have passed its check.
struct Setting {
    const OptionSpec* option = nullptr;
    std::vector<std::string> values;
    OptionOrigin origin;
};

struct CommandLine {
    Errand errand = Errand::kRun;
    std::string config = kDefaultConfig;
    bool config_given = false;   // then the file must be there
    std::string recording = {};  // that is to be replayed
    std::vector<Setting> flags = {};
};

// Why the program should end before it began: --help and --version with status 0, wrong usage with 2.
struct EarlyExit {
    int status = 0;
    std::string text;
};

std::expected<CommandLine, EarlyExit> parse_command_line(int count, const char* const* arguments);

}  // namespace pinwarden
