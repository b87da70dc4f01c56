// The configuration: defaults, then /etc/pinwarden/pinwarden.yaml (or what --config names), then the drop-ins beside it
// in the order of their names, then the command line; of several that set an option the last one wins.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/options.h"
#include "policy/policy_files.h"
#include "publish/config_view.h"

namespace pinwarden {

struct Configuration {
    Options options = {};
    std::map<const OptionSpec*, OptionOrigin> origins = {};  // of those that are not the default
    std::vector<std::string> files = {};                     // that were read, in this order
    // Files and folders: policies.d where it exists, then those that are named.
    std::vector<std::string> policy_paths = {};

    [[nodiscard]] OptionOrigin origin(const OptionSpec& option) const;
};

struct LoadedConfiguration {
    Configuration configuration;
    // All that is wrong: "FILE:LINE:COLUMN: KEY: what". With one, the configuration is not to be used.
    std::vector<Error> errors = {};
};

std::vector<std::string> messages_of(const std::vector<Error>& errors);

LoadedConfiguration load_configuration(const CommandLine& line);

// The policies of the configuration's files; see policy/policy_files.h. Of a path that is named in a file and does not
// exist, the error tells where it is named.
LoadedPolicies load_policies(const Configuration& configuration);

// In the order of the table; nothing of reloads.
ConfigView view_of(const Configuration& configuration);

}  // namespace pinwarden
