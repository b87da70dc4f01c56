// User stacks, each once: a program asks for its pins from few places, and a million pins may be asked for from one.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "decode/event.h"

namespace pinwarden {

class UserStackTable {
public:
    // Among all that somebody has still, equal stacks are the same object.
    std::shared_ptr<const UserStack> shared(UserStack stack)
    {
        if (const auto known = stacks_.find(stack); known != stacks_.end()) {
            return *known;
        }
        if (stacks_.size() >= look_at_) {
            absl::erase_if(stacks_, [](const Shared& one) { return one.use_count() == 1; });
            look_at_ = std::max(kLookAt, 2 * stacks_.size());
        }
        return *stacks_.insert(std::make_shared<const UserStack>(std::move(stack))).first;
    }

    // Those that nobody has any more may be among them.
    [[nodiscard]] std::size_t size() const { return stacks_.size(); }

private:
    using Shared = std::shared_ptr<const UserStack>;

    // By content.
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(const Shared& stack) const { return (*this)(*stack); }
        std::size_t operator()(const UserStack& stack) const { return absl::Hash<UserStack>()(stack); }
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(const Shared& one, const Shared& other) const { return *one == *other; }
        bool operator()(const Shared& one, const UserStack& other) const { return *one == other; }
        bool operator()(const UserStack& one, const Shared& other) const { return one == *other; }
    };

    // How many there are when those that nobody has are looked for.
    static constexpr std::size_t kLookAt = 1024;

    absl::flat_hash_set<Shared, Hash, Equal> stacks_;
    std::size_t look_at_ = kLookAt;
};

}  // namespace pinwarden
