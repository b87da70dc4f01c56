// The configuration in force, by value: what is set, where that comes from, and what became of the last reload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace pinwarden {

struct OptionOrigin {
    enum class From : std::uint8_t { kDefault, kFlag, kFile };

    From from = From::kDefault;
    // Of a file; counted from 1.
    std::string file = {};
    int line = 0;
    int column = 0;

    friend bool operator==(const OptionOrigin&, const OptionOrigin&) = default;
};

// "default", "flag", or "FILE:LINE".
inline std::string to_string(const OptionOrigin& origin)
{
    switch (origin.from) {
        case OptionOrigin::From::kDefault: return "default";
        case OptionOrigin::From::kFlag: return "flag";
        case OptionOrigin::From::kFile: return origin.file + ":" + std::to_string(origin.line);
    }
    return {};
}

struct OptionValue {
    std::vector<std::string> values;  // one; of a list any number; none: nothing is there
    OptionOrigin origin;
};

struct OptionView {
    std::string name;  // its key in a file
    OptionValue in_force;
    bool at_run_time = false;                       // a reload can change it
    std::optional<OptionValue> after_restart = {};  // what a reload has read and only a restart can put in force
};

struct ReloadView {
    Nanoseconds time = 0;  // since the Unix epoch
    bool applied = false;  // else what was in force stays
    std::vector<std::string> messages = {};
};

struct ConfigView {
    std::vector<OptionView> options;
    std::vector<std::string> files;         // that were read, the later one wins
    std::vector<std::string> policy_paths;  // files and folders, in the order of evaluation
    std::optional<ReloadView> last_reload = {};
};

// Asked by the serving threads, any number at a time.
class ConfigSource {
public:
    ConfigSource() = default;
    ConfigSource(const ConfigSource&) = delete;
    ConfigSource& operator=(const ConfigSource&) = delete;
    virtual ~ConfigSource() = default;

    [[nodiscard]] virtual ConfigView config() const = 0;
};

}  // namespace pinwarden
