// What the engine does when owners of pins end.
#include "app/engine.h"
#include "app/views.h"

namespace pinwarden {

void Engine::on(const ExitEvent& event)
{
    for (const PinId id : ledger_.exit(event)) {
        if (around_.fanout.has_subscribers()) {
            PinView view = view_pin(*ledger_.find(id), ledger_, around_.names);
            if (unannounced_.erase(id) != 0) {
                announce(view.pin.acquired, PinnedNotice{view});
            }
            announce(event.time, OrphanedNotice{std::move(view)});
        }
    }
    notifiers_.exit(event.process);
    owners_.exit(event.process);
}

// What no record tells: owners whose exit got lost, and orphans that stay.
void Engine::look_after_owners()
{
    const Nanoseconds now = around_.clock.now();
    for (const ProcessId& process : owner_check_.look(ledger_, now)) {
        on(ExitEvent{now, process});
    }
    if (now < options_.leak_after) {
        return;
    }
    for (const PinId id : ledger_.take_leaks(now - options_.leak_after)) {
        if (around_.fanout.has_subscribers()) {
            announce(now, LeakNotice{view_pin(*ledger_.find(id), ledger_, around_.names)});
        }
    }
}

}  // namespace pinwarden
