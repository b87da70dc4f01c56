// Which values of a label have series of their own.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <set>
#include <string>

namespace pinwarden {

// Once given, a label stays: a counter must not move between two of them. What comes later is "other".
class LabelCap {
public:
    // At most so many, besides "other"; those that are known to come have theirs from the start.
    explicit LabelCap(std::size_t most, std::initializer_list<std::string> known = {}) : most_(most), known_(known) {}

    std::string label(const std::string& value)
    {
        if (known_.contains(value) || value == kOther) {
            return value;
        }
        if (known_.size() >= most_) {
            return kOther;
        }
        return *known_.insert(value).first;
    }

    [[nodiscard]] const std::set<std::string>& known() const { return known_; }

    static inline const std::string kOther = "other";

private:
    std::size_t most_;
    std::set<std::string> known_;
};

}  // namespace pinwarden
