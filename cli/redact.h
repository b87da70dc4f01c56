// Makes answers of the daemon fit to be given away.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pinwarden::cli {

// Names of files, processes, cgroups and containers become path-1, process-1, ..., the same one for the same name in
// all that goes through it. Addresses become 0. Numbers (pids, uids, inodes, sizes), names of policies, drivers and
// kernel functions stay. In sentences, names that are known are replaced, and what looks like a path is.
class Redactor {
public:
    // All names must be known before the first sentence is redacted: call it for every message first.
    void learn(const google::protobuf::Message& message);
    void redact(google::protobuf::Message& message) const;
    [[nodiscard]] std::string redact_text(std::string_view text) const;

private:
    [[nodiscard]] std::string pseudonym(const std::string& name) const;

    std::map<std::string, std::string> pseudonyms_;
    std::map<std::string, std::uint64_t> counts_;  // by kind
};

}  // namespace pinwarden::cli
