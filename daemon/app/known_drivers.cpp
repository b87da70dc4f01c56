#include "app/known_drivers.h"

#include "app/views.h"

namespace pinwarden {
namespace {

// Far more than there are places that pin. User space has a hand in which there are, so there is a bound.
constexpr std::size_t kMost = 4096;

}  // namespace

const std::string& KnownDrivers::of(Stack stack)
{
    // What lay there may be gone, and something else be there.
    if (const std::uint64_t naming = names_.naming(); naming != naming_ || known_.size() >= kMost) {
        naming_ = naming;
        known_.clear();
    }
    if (const auto known = known_.find(stack); known != known_.end()) {
        return known->second;
    }
    std::vector<std::uint64_t> key(stack.begin(), stack.end());
    std::string driver = classify_driver(name_stack(key, names_));
    return known_.emplace(std::move(key), std::move(driver)).first->second;
}

}  // namespace pinwarden
