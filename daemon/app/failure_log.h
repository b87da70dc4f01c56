// The pins that failed: how many by driver and error, and the last ones in full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "publish/snapshot.h"

namespace pinwarden {

class FailureLog {
public:
    static constexpr std::size_t kKept = 256;

    void add(FailedPin failure)
    {
        ++counts_[{failure.driver, failure.error}];
        ++total_;
        last_.push_back(std::move(failure));
        if (last_.size() > kKept) {
            last_.pop_front();
        }
    }

    // Oldest first.
    [[nodiscard]] const std::deque<FailedPin>& last() const { return last_; }
    [[nodiscard]] std::uint64_t total() const { return total_; }
    // By driver and positive errno.
    [[nodiscard]] const std::map<std::pair<std::string, int>, std::uint64_t>& counts() const { return counts_; }

private:
    std::deque<FailedPin> last_;
    std::map<std::pair<std::string, int>, std::uint64_t> counts_;
    std::uint64_t total_ = 0;
};

}  // namespace pinwarden
