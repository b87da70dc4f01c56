// Where the policies came from, and so which of them are kept, and with what is to be said of them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/kept_policies.h"

namespace pinwarden {

// Plain data: a change is made to a copy, and that becomes the truth once the change is in force.
class PolicyOrigins {
public:
    // Those of the files given on the command line: they are there again at the next start and need no keeping.
    void given(const std::vector<Policy>& files);
    // They were read again. What an operator did stays: a mode that was set for one, and that one was removed, as long
    // as its text is the same. Returns what becomes of those of which it is not, a sentence each.
    std::vector<std::string> read_again(const std::vector<Policy>& files);
    // What was kept. Modes that are for another text of a file's policy are left out; returns whose.
    std::vector<std::string> take_up(KeptPolicies kept);

    // Over the API. One that takes the place of a file's is kept beside it, and wins at the next start.
    void applied(const Policy& policy);
    // Its mode is another one now; `degraded`: why, unless somebody wanted it.
    void mode_set(const Policy& policy, const std::string& degraded = "");
    void removed(const std::string& name);
    // It was kept and is not in force.
    void refused(const std::string& name, const std::string& why) { refused_[name] = why; }

    [[nodiscard]] const KeptPolicy* kept(std::string_view name) const;
    // With the mode that was set for it; those that were removed are left out.
    [[nodiscard]] std::vector<Policy> of_files() const;
    // Why the policy's mode is not what its file says; nothing when it is.
    [[nodiscard]] std::optional<std::string> mode_reason(const Policy& policy) const;
    // By name: why.
    [[nodiscard]] const std::map<std::string, std::string>& all_refused() const { return refused_; }
    [[nodiscard]] const std::map<std::string, KeptMode>& modes() const { return modes_; }
    [[nodiscard]] KeptPolicies all_kept() const;
    void drop_modes() { modes_.clear(); }

private:
    std::vector<KeptPolicy> kept_;  // in the order of evaluation
    std::map<std::string, std::string> refused_;
    std::map<std::string, Policy> files_;  // as they have them
    std::vector<std::string> file_order_;
    std::map<std::string, KeptMode> modes_;
    std::set<std::string> removed_;  // of the files, until these say something else
};

}  // namespace pinwarden
