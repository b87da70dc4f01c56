// A search for owners that finds what a test says, when it says so.
#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "ledger/owner_search.h"

namespace pinwarden::test {

class FakeOwners final : public OwnerSearch {
public:
    void start(std::vector<PageState> pages, Nanoseconds /*longest*/) override
    {
        asked = std::move(pages);
        left = looks;
    }
    std::optional<std::map<PageNumber, Task>> result() override
    {
        if (left-- > 0) {
            return std::nullopt;
        }
        if (meanwhile) {
            std::exchange(meanwhile, {})();
        }
        return owners;
    }

    std::map<PageNumber, Task> owners;
    std::function<void()> meanwhile;
    std::vector<PageState> asked;
    int looks = 2;  // that come too early
    int left = 0;
};

}  // namespace pinwarden::test
