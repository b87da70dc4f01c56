// What the engine does when it may take no more memory.
#include "app/engine.h"
#include "policy/units.h"

namespace pinwarden {

// Enforcement needs none of it: a file whose pins are not all known is decided as its policies say of what is
// unresolved, and its pages have the last word.
void Engine::look_after_memory()
{
    if (!around_.memory_in_use) {
        return;
    }
    const std::uint64_t limit = options_.memory_limit;
    // Not at the limit itself: what is let go and taken again would change it back and forth.
    const std::uint64_t room_again = limit - limit / 8;
    const std::uint64_t used = around_.memory_in_use();
    if (!full_ && used >= limit) {
        full_ = true;
        around_.log_warning("memory_limit (" + format_size(limit) + ") is reached with " +
                            std::to_string(ledger_.pins().size()) +
                            " pins: pins that are made from now on are not followed, and files with such pins are "
                            "decided as \"unresolved\", until so many are let go that less than " +
                            format_size(room_again) + " is used");
    } else if (full_ && used < room_again) {
        full_ = false;
        next_repair_ = around_.clock.now();
        around_.log_warning("there is room below memory_limit again: pins are followed, and memory is searched for " +
                            std::to_string(daemon_losses_.memory_limit) + " that were not");
    }
}

void Engine::on(const PagesEvent& event)
{
    if (full_ && ledger_.find(event.pin) == nullptr) {
        // Their release is nothing to wait for.
        around_.verdicts.untrack(event.runs);
        return;
    }
    ledger_.pages(event);
}

}  // namespace pinwarden
