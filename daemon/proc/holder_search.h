// Who may still hold pins whose owner is gone: processes with a file open through which such pins are held. Looks
// through /proc/PID/fd of all processes, so it takes its time: not for the pipeline thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "publish/snapshot.h"

namespace pinwarden {

// The kind of objects that a file may hold, by what its link in /proc/PID/fd says; PW_SCOPE_NONE: none. The link of a
// socket does not tell what it is: `protocol` is then asked, and says "XDP" for AF_XDP.
pw_scope_kind kind_of_file(std::string_view link, const std::function<std::string()>& protocol);

// Whether the process has a file open through which memory can be pinned.
bool has_pinning_file(std::uint32_t pid);

class ProcHolders final : public HolderSearch {
public:
    Holders find(const std::set<pw_scope_kind>& kinds) override;
};

}  // namespace pinwarden
