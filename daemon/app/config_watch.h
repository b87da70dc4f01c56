// Whether the files of configuration and policies say something else than before, for machines on which nobody sends
// SIGHUP: a container's are exchanged beneath it.
#pragma once

#include <map>
#include <string>

#include "app/command_line.h"

namespace pinwarden {

class ConfigWatch {
public:
    // From now on. `line`: what the daemon was started with.
    explicit ConfigWatch(CommandLine line);

    // Whether any file has come, gone or says something else since this was asked last. What cannot be read counts as
    // what the system says of it.
    bool changed();

private:
    [[nodiscard]] std::map<std::string, std::string> read() const;

    CommandLine line_;
    std::map<std::string, std::string> seen_;  // by path
};

}  // namespace pinwarden
